import { describe, expect, it } from 'vitest'
import { createMemoryStorage } from '../storage.memory.ts'
import { createSeedAllowance, type SeededDay } from './seed-allowance.ts'

const MIB = 1 << 20

function start() {
  let now = 0
  const clock = { now: () => now, after: () => () => {} }
  const table = createMemoryStorage().table<SeededDay>('seeded')
  const open = () =>
    createSeedAllowance({ perDay: 100 * MIB, perDevice: 60 * MIB }, { table, clock })
  return { open, pass: (ms: number) => (now += ms) }
}

describe('createSeedAllowance', () => {
  it('default: a device has its share, all together have the day, and a new day begins anew', async () => {
    const { open, pass } = start()
    const allowance = open()
    await allowance.take('a', 60 * MIB)
    await expect(allowance.take('a', 1)).rejects.toMatchObject({ reason: 'limit' })
    await allowance.take('b', 40 * MIB)
    await expect(allowance.take('c', 1)).rejects.toThrow(/nothing more is seeded here today/)
    pass(86_400_000)
    await allowance.take('a', 60 * MIB)
  })

  it('behaviour: a process that is started anew does not begin the day again', async () => {
    const { open } = start()
    await open().take('a', MIB)
    const later = open()
    // 64 MiB were set aside on the disk before the first byte went.
    await later.take('a', 36 * MIB)
    await expect(later.take('b', MIB)).rejects.toMatchObject({ reason: 'limit' })
  })
})
