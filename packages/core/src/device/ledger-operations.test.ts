/** The ledger of two devices that borrow, settle and set off: rows, totals and the contract agree. */
import * as fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import type { ChannelRecord } from '../clearing/channel.ts'
import { createWorld, type Who, type World } from './crash.fixture.ts'
import type { Device } from './device.ts'
import { addSpent, answerCosts, channelTotals, NOTHING_SPENT, spentByDay } from './ledger.ts'

// The portable signatures take no thread: when nothing happens, then everybody waits.
vi.mock('@noble/curves/webcrypto.js', () => ({ ed25519: { isSupported: async () => false } }))

const BOTH = ['borrower', 'lender'] as const
const who = fc.constantFrom<Who>(...BOTH)
const operation = fc.oneof(
  fc.record({ does: fc.constant('borrow' as const), who, tokens: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ does: fc.constantFrom('settle' as const, 'setOff' as const), who }),
  // Another day.
  fc.record({ does: fc.constant('wait' as const), who }),
)

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

/** Something of each, whatever else is drawn. */
const EXAMPLE: Operation[] = [
  { does: 'borrow', who: 'borrower', tokens: 9 },
  { does: 'borrow', who: 'lender', tokens: 5 },
  { does: 'setOff', who: 'borrower' },
  { does: 'wait', who: 'lender' },
  { does: 'borrow', who: 'borrower', tokens: 4 },
  { does: 'settle', who: 'lender' },
]

async function perform(world: World, one: Operation) {
  const { device } = world.lifeOf(one.who)
  if (one.does === 'borrow') await world.borrow(one.tokens, one.who)
  else if (one.does === 'setOff') await world.setOff(one.who)
  else if (one.does === 'settle') {
    await device.keeper?.refresh()
    await device.keeper?.settle(true)
  } else world.clock.pass(30_000_000)
}

async function ledgerOf({ tables }: Device) {
  const rows = async <T>(table: { list(): Promise<[string, T][]> }) =>
    (await table.list()).map(([, row]) => row)
  const records: ChannelRecord[] = await rows(tables.channels)
  const answers = await rows(tables.answers)
  const of = (role: ChannelRecord['role']) => records.filter((record) => record.role === role)
  const days = [...spentByDay(answers, [], records).values()].reduce(addSpent, NOTHING_SPENT)
  const costs = answerCosts(answers, records)
  const [pays, earns] = [channelTotals(of('payer')), channelTotals(of('payee'))]
  return { answers, days, costs, pays, earns, payers: of('payer') }
}

/** @returns what was cleared in all */
async function live(operations: readonly Operation[]) {
  const world = await createWorld({ windowTokens: 4, isMutual: true })
  await world.meet()
  await world.open('lender')
  for (const one of operations) await perform(world, one)
  for (const one of BOTH) await world.lifeOf(one).device.keeper?.refresh()

  const [one, other] = await Promise.all(BOTH.map((name) => ledgerOf(world.lifeOf(name).device)))
  for (const { answers, days, costs, pays, earns, payers } of [one!, other!]) {
    const sum = (of: (cost: (typeof costs)[number]) => bigint) =>
      costs.reduce((all, cost) => all + of(cost), 0n)
    expect(costs).toHaveLength(answers.length)
    expect(sum(({ priceUnits }) => priceUnits)).toBe(days.priceUnits)
    const fees = payers.filter(({ id }) => answers.some(({ channelId }) => channelId === id))
    expect(sum(({ relayFee }) => relayFee)).toBe(
      fees.reduce((all, { relayFee }) => all + relayFee, 0n),
    )
    expect([days.settledOut, days.setOffOut]).toEqual([pays.settled, pays.setOff])
    expect([days.settledIn, days.setOffIn]).toEqual([earns.settled, earns.setOff])
    expect(pays.answers + pays.relayFee + pays.held + pays.lost).toBe(pays.due)
  }
  expect(one!.pays).toEqual(other!.earns)
  expect(other!.pays).toEqual(one!.earns)
  // A ring of two cancels the same on both of its channels.
  expect(one!.pays.setOff).toBe(other!.pays.setOff)
  const contract = [...world.ledger.channels.values()]
  const settled = contract.reduce((all, channel) => all + channel.settled, 0n)
  const cleared = [one!.pays, other!.pays].map((pays) => pays.settled + pays.setOff)
  expect(cleared[0]! + cleared[1]!).toBe(settled)
  // Nobody's deposit grew but by set-offs.
  const added = contract.reduce((all, channel) => all + channel.deposit - 100_000n, 0n)
  expect(one!.pays.setOff + other!.pays.setOff).toBe(added)
  return { settled: settled - added, setOff: added }
}

describe('the ledger over real operations', () => {
  it('default: its rows add up to its totals, and what one owes is what the other is owed', {
    timeout: 600_000,
  }, async () => {
    const { settled, setOff } = await live(EXAMPLE)
    expect([settled > 0n, setOff > 0n]).toEqual([true, true])
    const some = fc.array(operation, { minLength: 3, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(some, async (operations) => void (await live(operations))),
      { numRuns: 10 },
    )
  })
})
