import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testRecord } from '../clearing/channel.fixture.ts'
import type { AnswerMeter } from '../clearing/channel.ts'
import { dueAmount, paidAmount } from '../clearing/meter.ts'
import { addSpent, channelTotals, NOTHING_SPENT, spentByDay } from './ledger.ts'
import type { AnswerRecord } from './records.ts'

const price = fc.nat(3_000_000)
const meter = fc
  .record({
    prices: fc.record({ prompt: price, cached: price, output: price }),
    promptTokens: fc.nat(50),
    cachedTokens: fc.nat(50),
    maxTokens: fc.constant(100),
    signedTokens: fc.nat(100),
    paidTokens: fc.nat(100),
    isPromptPaid: fc.boolean(),
    state: fc.constantFrom('streaming', 'held', 'withheld', 'unpaid'),
    startedAtMs: fc.nat(),
    holdBackUntilMs: fc.constant(null),
  })
  .map(
    (one): AnswerMeter => ({
      ...(one as AnswerMeter),
      paidTokens: one.isPromptPaid ? Math.min(one.paidTokens, one.signedTokens) : 0,
    }),
  )
const channel = fc
  .record({
    paidRaw: fc.bigInt(0n, 10n ** 12n),
    relayFee: fc.bigInt(0n, 500n),
    settled: fc.bigInt(0n, 10n ** 6n),
    answers: fc.dictionary(fc.uuid(), meter, { maxKeys: 6 }),
  })
  .map((init) => testRecord('payer', init))

describe('the ledger', () => {
  it('default: its parts are the channels’ totals, to the unit', () => {
    fc.assert(
      fc.property(fc.array(channel, { maxLength: 5 }), (records) => {
        const sum = channelTotals(records)
        const due = records.reduce((all, record) => all + dueAmount(record), 0n)
        const paid = records.reduce((all, record) => all + paidAmount(record), 0n)
        expect(sum.due).toBe(due)
        expect(sum.answers + sum.relayFee).toBe(paid)
        expect(sum.answers + sum.relayFee + sum.held + sum.lost).toBe(due)
        for (const part of Object.values(sum)) expect(part).toBeGreaterThanOrEqual(0n)
        const states = records.flatMap(({ answers }) => Object.values(answers))
        const isOver = (one: AnswerMeter) => one.state === 'withheld' || one.state === 'unpaid'
        if (states.every(isOver)) expect(sum.held).toBe(0n)
        if (!states.some(isOver)) expect(sum.lost).toBe(0n)
      }),
    )
  })

  it('behaviour: the days together are all that was spent, each day by itself', () => {
    const DAY = 86_400_000
    const row = (startedAtMs: number, priceUnits: bigint, seconds: number | null) =>
      ({
        ...{ startedAtMs, priceUnits, tokens: 10 },
        audit: seconds === null ? null : { seconds, statistics: { positions: 10 } },
      }) as AnswerRecord
    const answers = [row(0, 5n, 2), row(DAY - 1, 6n, null), row(DAY, 7n, 3)]
    const transaction = {
      hash: '0x',
      purpose: 'settle',
      atMs: DAY,
      gasUsed: 9n,
      feeWei: 18n,
    } as const
    const channel = testRecord('payer', {
      ...{ settled: 9n, cleared: { '1970-01-02': { settled: 4n, setOff: 5n } } },
    })
    const days = spentByDay(answers, [transaction], [channel])
    expect([...days.keys()]).toEqual(['1970-01-01', '1970-01-02'])
    expect(days.get('1970-01-01')).toMatchObject({ answers: 2, priceUnits: 11n, audits: 1 })
    const all = [...days.values()].reduce(addSpent, NOTHING_SPENT)
    expect(all).toEqual({
      ...{ answers: 3, tokens: 30, priceUnits: 18n },
      ...{ transactions: 1, gasUsed: 9n, feeWei: 18n },
      ...{ audits: 2, auditSeconds: 5, auditTokens: 20 },
      ...{ settledOut: 4n, setOffOut: 5n, settledIn: 0n, setOffIn: 0n },
    })
  })
})
