import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

async function ledger(home: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, FREEHOLD_HOME: home }
  const command = ['--no-warnings', MAIN, 'ledger', ...args]
  return (await promisify(execFile)(process.execPath, command, { env })).stdout
}

/** The lines of a table without quoted cells, by their headings. */
function rowsOf(csv: string): Record<string, string>[] {
  const [headings = [], ...lines] = csv
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','))
  return lines.map((line) => Object.fromEntries(headings.map((name, i) => [name, line[i] ?? ''])))
}

describe('freehold ledger', () => {
  it('default: owed, held, earned and settled, on both sides, by answer and by day', {
    timeout: 300_000,
  }, async () => {
    const lender = await town.lender({ device: { engine: toyEngine() } })
    const { device, home } = await town.inhabitant({ engine: toyEngine() })
    const { channel } = await befriend(device, lender.lending)
    for (let i = 0; i < 2; i++) {
      await (await device.complete(question({ maxTokens: 9 }))).settled
      await device.borrowing.idle()
    }
    await lender.device.keeper?.settle(true)
    await device.keeper?.refresh()
    const paid = (await device.tables.channels.get(channel.id))?.cumulative ?? 0n
    expect(paid).toBeGreaterThan(0n)
    const one = JSON.parse(await ledger(home, '--json'))
    const other = JSON.parse(await ledger(lender.home, '--json'))
    const total = { due: `${paid}`, answers: `${paid}`, held: '0', lost: '0', settled: `${paid}` }
    expect(one.pays).toMatchObject({ ...total, setOff: '0' })
    expect(other.earns).toMatchObject({ ...total, relayed: '0' })
    expect(one.days).toMatchObject([{ answers: 2, settledOut: `${paid}`, settledIn: '0' }])
    expect(other.days).toMatchObject([{ answers: 0, settledIn: `${paid}`, transactions: 2 }])
    expect(other.transactions.map(({ purpose }: { purpose: string }) => purpose).sort()).toEqual([
      ...['relay', 'settle'],
    ])

    const answers = rowsOf(await ledger(home, '--csv', 'answers'))
    const prices = answers.reduce((sum, { priceUnits }) => sum + Number(priceUnits), 0)
    const days = rowsOf(await ledger(home, '--csv'))
    expect(days).toMatchObject([{ answers: '2', priceUnits: `${prices}`, setOffOut: '0' }])
    const sent = rowsOf(await ledger(lender.home, '--csv', 'transactions'))
    const wei = 10n ** 18n - (await town.look.balances(accountOf(lender.device))).native
    expect(sent.reduce((sum, { feeWei = 0 }) => sum + BigInt(feeWei), 0n)).toBe(wei)
    expect(rowsOf(await ledger(home, '--csv', 'channels'))).toMatchObject([{ id: channel.id }])

    // None of an empty table's headings is missing, and none was left behind by the rows' code.
    const empty = await mkdtemp(join(tmpdir(), 'freehold-ledger-'))
    const rows = {
      days: one.days,
      answers: one.costs,
      channels: one.channels,
      transactions: other.transactions,
    }
    for (const [table, [row]] of Object.entries(rows)) {
      const headings = (await ledger(empty, '--csv', table)).trimEnd().split(',')
      expect(headings).toEqual(Object.keys(row))
    }
    await rm(empty, { recursive: true })

    const shown = await ledger(lender.home)
    expect(shown).toMatch(new RegExp(`it is owed +${paid} +${paid} +0 +0 +0 +${paid} +0`))
    expect(shown).toMatch(new RegExp(`Earned: ${paid}, of it 0 for submitting`))
  })
})
