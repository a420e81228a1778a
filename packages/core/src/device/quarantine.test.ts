import { describe, expect, it } from 'vitest'
import { createMemoryStorage } from '../storage.memory.ts'
import { createQuarantine } from './quarantine.ts'

const MINUTE_MS = 60_000

function meet() {
  let nowMs = 1_700_000_000_000
  const clock = { now: () => nowMs, after: () => () => {} }
  const storage = createMemoryStorage()
  const open = () => createQuarantine(storage.table('quarantine'), clock)
  const pass = (ms: number) => {
    nowMs += ms
  }
  return { open, quarantine: open(), pass }
}

describe('quarantine', () => {
  it('default: a lender that was lost is left alone for a while, and longer each time', async () => {
    const { quarantine, pass, open } = meet()
    const lengths: number[] = []
    for (let i = 0; i < 4; i++) {
      await quarantine.note('aa', 'lost')
      // What another process of this device sees.
      const { leftMs, isLiar } = await open().look('aa')
      expect(isLiar).toBe(false)
      lengths.push(leftMs)
      pass(leftMs)
      expect((await quarantine.look('aa')).leftMs).toBe(0)
    }
    expect(lengths[0]).toBe(15_000)
    for (const [i, ms] of lengths.slice(1).entries()) expect(ms).toBeGreaterThan(1.5 * lengths[i]!)
    expect((await quarantine.look('bb')).leftMs).toBe(0)
  })

  it('default: it is forgotten with time', async () => {
    const { quarantine, pass } = meet()
    for (let i = 0; i < 4; i++) {
      await quarantine.note('aa', 'stall')
      pass(10_000)
    }
    expect((await quarantine.look('aa')).leftMs).toBeGreaterThan(60_000)
    pass(24 * 60 * MINUTE_MS)
    await quarantine.note('aa', 'stall')
    expect((await quarantine.look('aa')).leftMs).toBeLessThan(15_100)
  })

  it('behaviour: answers that break off together count once, and a whole one ends it', async () => {
    const { quarantine } = meet()
    for (let i = 0; i < 12; i++) await quarantine.note('aa', 'lost')
    expect((await quarantine.look('aa')).leftMs).toBe(15_000)
    await quarantine.note('aa', 'receipt')
    expect((await quarantine.look('aa')).leftMs).toBe(0)
  })

  it('behaviour: refusals are no offence, lies are a long one that no whole answer ends', async () => {
    const { quarantine, pass } = meet()
    await quarantine.note('aa', 'busy')
    expect((await quarantine.look('aa')).leftMs).toBe(0)
    await quarantine.note('aa', 'protocol')
    await quarantine.note('aa', 'lost')
    await quarantine.note('aa', 'receipt')
    expect(await quarantine.look('aa')).toEqual({
      leftMs: 10 * MINUTE_MS,
      isLiar: true,
      isFresh: true,
    })
    pass(MINUTE_MS)
    expect(await quarantine.look('aa')).toMatchObject({ isLiar: true, isFresh: false })
  })

  it('behaviour: a clock that is set back prolongs nothing', async () => {
    const { quarantine, pass } = meet()
    await quarantine.note('aa', 'lost')
    pass(-30 * 24 * 60 * MINUTE_MS)
    expect((await quarantine.look('aa')).leftMs).toBe(0)
  })
})
