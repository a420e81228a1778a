import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  accountOf,
  befriend,
  createTown,
  question,
  type Town,
  toyEngine,
} from '../device/town.fixture.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(() => town[Symbol.asyncDispose]())

async function channels(home: string, ...args: string[]) {
  const command = ['--no-warnings', MAIN, 'wallet', 'channels', ...args]
  const env = { ...process.env, FREEHOLD_HOME: home }
  return promisify(execFile)(process.execPath, command, { env })
}

describe('freehold wallet channels', () => {
  it('default: shows each channel from the disk alone, on both sides, and until it is left', {
    timeout: 300_000,
  }, async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const { device, home } = await town.inhabitant({ engine: toyEngine() })
    const none = await channels(home)
    expect([none.stdout, none.stderr]).toEqual(['', 'There is no channel yet\n'])

    const { channel } = await befriend(device, lender.lending)
    const { settled, record } = await device.complete(question())
    await settled
    await device.borrowing.idle()
    await town.chain.fund(accountOf(device), '1')
    const paid = String(record?.priceUnits)
    const [payer] = JSON.parse((await channels(home, '--json')).stdout)
    const known = { id: channel.id, due: paid, held: '0', paid, settled: '0', isLeaving: false }
    expect(payer).toMatchObject({ ...known, role: 'payer', status: 'open', exitDueAtMs: null })
    const [payee] = JSON.parse((await channels(lender.home, '--json')).stdout)
    expect(payee).toMatchObject({ ...known, role: 'payee', status: 'open' })

    await device.channels.leave(channel.id)
    const { stdout } = await channels(home)
    const due = (await device.tables.channels.get(channel.id))?.exitDueAtMs ?? 0
    const line = stdout.split('\n').find((text) => text.startsWith(channel.id.slice(0, 12))) ?? ''
    expect(line).toMatch(/payer +exiting, left +1000000 +\d+ +0 +\d+ +0 /)
    expect(line).toContain(new Date(due).toISOString())
  })
})
