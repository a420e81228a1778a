import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClearingError } from '../errors.ts'
import type { Prices } from '../wire/offer.ts'
import { testRecord } from './channel.fixture.ts'
import type { ChannelRecord } from './channel.ts'
import {
  closeUnpaid,
  dueAmount,
  foldAnswer,
  heldAmount,
  holdAnswer,
  meterOf,
  noteCached,
  noteSigned,
  paidAmount,
  payAnswer,
  rawCost,
  reservedAmount,
  startAnswer,
} from './meter.ts'

const PRICES: Prices = { prompt: 100_000, cached: 25_000, output: 400_000 }

function started(init: Partial<ChannelRecord> = {}, reqId = 'a', maxTokens = 100): ChannelRecord {
  return startAnswer(testRecord('payer', init), reqId, {
    prices: PRICES,
    promptTokens: 10,
    maxTokens,
    startedAtMs: 0,
  })
}

const prices = fc
  .tuple(fc.nat(2_000_000), fc.nat(2_000_000), fc.nat(3_000_000))
  .map(([a, b, output]) => ({ prompt: Math.max(a, b), cached: Math.min(a, b), output }))
const answer = fc.record({
  prices,
  promptTokens: fc.nat(50),
  signed: fc.nat(100),
  cached: fc.nat(50),
})

describe('due', () => {
  it('default: prompt, cached and output tokens at their prices', () => {
    let record = started({ relayFee: 7n })
    expect(paidAmount(record)).toBe(7n)
    expect(dueAmount(record)).toBe(7n)
    record = noteSigned(noteCached(record, 'a', 4), 'a', 20)
    // 6 x 0.1 + 4 x 0.025 + 20 x 0.4 = 8.7
    expect(dueAmount(record)).toBe(7n + 9n)
    expect(paidAmount(record)).toBe(7n)
    expect(paidAmount(payAnswer(record, 'a', 0))).toBe(7n + 1n)
    expect(paidAmount(payAnswer(record, 'a', 20))).toBe(7n + 9n)
  })

  it('behaviour: is rounded once over the channel, never per answer or payment', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 8 }), fc.nat(9), (answers, relayFee) => {
        let record = testRecord('payer', { deposit: 10n ** 30n, relayFee: BigInt(relayFee) })
        let raw = 0n
        for (const [i, { prices, promptTokens, signed, cached }] of answers.entries()) {
          const fromCache = Math.min(cached, promptTokens)
          const reqId = `${i}`
          record = startAnswer(record, reqId, {
            prices,
            promptTokens,
            maxTokens: 100,
            startedAtMs: 0,
          })
          record = noteCached(record, reqId, fromCache)
          // In two payments, of which the second is for all.
          record = payAnswer(noteSigned(record, reqId, signed), reqId, Math.floor(signed / 3))
          record = payAnswer(record, reqId, signed)
          if (i % 2 === 0) record = foldAnswer(holdAnswer(record, reqId, 0), reqId)
          raw += rawCost(prices, promptTokens - fromCache, fromCache, signed)
        }
        const expected = BigInt(relayFee) + raw / 1_000_000n + (raw % 1_000_000n > 0n ? 1n : 0n)
        expect(paidAmount(record)).toBe(expected)
        expect(dueAmount(record)).toBe(expected)
      }),
    )
  })

  it('behaviour: a thousand tiny answers do not cost a thousand units', () => {
    let record = testRecord('payer')
    const tiny: Prices = { prompt: 0, cached: 0, output: 1 }
    for (let i = 0; i < 1_000; i++) {
      record = startAnswer(record, `${i}`, {
        prices: tiny,
        promptTokens: 1,
        maxTokens: 1,
        startedAtMs: 0,
      })
      record = payAnswer(noteSigned(record, `${i}`, 1), `${i}`, 1)
      record = foldAnswer(holdAnswer(record, `${i}`, 0), `${i}`)
    }
    expect(paidAmount(record)).toBe(1n)
    expect(record.answers).toEqual({})
  })

  it('behaviour: what is paid and what is due never fall, and stay in order', () => {
    const step = fc.tuple(
      fc.constantFrom('signed', 'paid', 'hold', 'withhold', 'unpaid', 'fold'),
      fc.nat(100),
      fc.nat(2),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let record = ['0', '1', '2'].reduce(
          (before, reqId) =>
            startAnswer(before, reqId, {
              prices: PRICES,
              promptTokens: 10,
              maxTokens: 100,
              startedAtMs: 0,
            }),
          testRecord('payee'),
        )
        const reserved = reservedAmount(record)
        for (const [kind, n, which] of steps) {
          const reqId = `${which}`
          const meter = record.answers[reqId]
          if (meter === undefined) continue
          const before = record
          if (kind === 'signed') record = noteSigned(record, reqId, n)
          if (kind === 'paid') record = payAnswer(record, reqId, Math.min(n, meter.signedTokens))
          if (kind === 'hold') record = holdAnswer(record, reqId, 5)
          if (kind === 'withhold') record = closeUnpaid(record, reqId, 'withheld')
          if (kind === 'unpaid') record = closeUnpaid(record, reqId, 'unpaid')
          if (kind === 'fold') record = foldAnswer(record, reqId)
          expect(paidAmount(record)).toBeGreaterThanOrEqual(paidAmount(before))
          expect(dueAmount(record)).toBeGreaterThanOrEqual(dueAmount(before))
          expect(paidAmount(record)).toBeLessThanOrEqual(dueAmount(record))
          expect(dueAmount(record)).toBeLessThanOrEqual(reserved)
        }
      }),
    )
  })
})

describe('startAnswer', () => {
  it('default: reserves what the answer may come to', () => {
    // 10 x 0.1 + 100 x 0.4 = 41
    expect(reservedAmount(started())).toBe(41n)
    expect(() => started({ deposit: 41n })).not.toThrow()
    expect(() => started({ deposit: 40n })).toThrow(ClearingError)
  })

  it('behaviour: parallel answers reserve side by side', () => {
    const first = started({ deposit: 82n })
    const init = { prices: PRICES, promptTokens: 10, maxTokens: 100, startedAtMs: 0 }
    const both = startAnswer(first, 'b', init)
    expect(reservedAmount(both)).toBe(82n)
    expect(() => startAnswer(both, 'c', { ...init, maxTokens: 1 })).toThrow(/cover/)
  })

  it('behaviour: an ended answer reserves only what was signed', () => {
    const held = holdAnswer(noteSigned(started(), 'a', 10), 'a', 5)
    expect(reservedAmount(held)).toBe(5n)
  })

  it('behaviour: a request id is used once', () => {
    const init = { prices: PRICES, promptTokens: 1, maxTokens: 1, startedAtMs: 0 }
    expect(() => startAnswer(started(), 'a', init)).toThrow(/in use/)
  })

  it('behaviour: refuses an offer whose cached tokens cost more than others', () => {
    const dear = { prompt: 1, cached: 2, output: 0 }
    const init = { prices: dear, promptTokens: 1, maxTokens: 1, startedAtMs: 0 }
    expect(() => startAnswer(testRecord('payer'), 'a', init)).toThrow(/cached/)
  })

  it('behaviour: what a lender says of its cache never costs more than was reserved', () => {
    fc.assert(
      fc.property(answer, ({ prices, promptTokens, cached, signed }) => {
        const init = { prices, promptTokens, maxTokens: signed, startedAtMs: 0 }
        const record = startAnswer(testRecord('payer', { deposit: 10n ** 30n }), 'a', init)
        const fromCache = Math.min(cached, promptTokens)
        const noted = noteSigned(noteCached(record, 'a', fromCache), 'a', signed)
        expect(dueAmount(noted)).toBeLessThanOrEqual(reservedAmount(record))
      }),
    )
  })
})

describe('noteCached', () => {
  it('default: moves prompt tokens to the cached price, however often it is told', () => {
    const twice = noteCached(noteCached(started(), 'a', 10), 'a', 3)
    expect(meterOf(twice, 'a')).toMatchObject({ promptTokens: 7, cachedTokens: 3 })
  })

  it('behaviour: refuses more than the prompt has, and a change after it is paid', () => {
    expect(() => noteCached(started(), 'a', 11)).toThrow(ClearingError)
    const paid = payAnswer(noteCached(started(), 'a', 3), 'a', 0)
    expect(noteCached(paid, 'a', 3)).toEqual(paid)
    expect(() => noteCached(paid, 'a', 4)).toThrow(/paid already/)
  })
})

describe('hold-back', () => {
  it('default: is what paying the rest would add', () => {
    const record = payAnswer(noteSigned(started(), 'a', 50), 'a', 20)
    expect(heldAmount(record, 'a')).toBe(12n)
    expect(heldAmount(payAnswer(record, 'a', 50), 'a')).toBe(0n)
  })

  it('behaviour: counts signed and paid tokens up only', () => {
    const record = payAnswer(noteSigned(started(), 'a', 50), 'a', 20)
    expect(noteSigned(record, 'a', 10)).toEqual(record)
    expect(payAnswer(record, 'a', 10)).toEqual(record)
  })

  it('behaviour: folds only what has ended and is paid', () => {
    const signed = noteSigned(started(), 'a', 50)
    expect(foldAnswer(payAnswer(signed, 'a', 50), 'a').answers.a).toBeDefined()
    const held = holdAnswer(signed, 'a', 5)
    expect(foldAnswer(held, 'a')).toEqual(held)
    const folded = foldAnswer(payAnswer(held, 'a', 50), 'a')
    expect(folded.answers).toEqual({})
    expect(paidAmount(folded)).toBe(21n)
  })

  it('behaviour: an answer without tokens costs nothing', () => {
    const folded = foldAnswer(holdAnswer(started(), 'a', 5), 'a')
    expect(folded.answers).toEqual({})
    expect(paidAmount(folded)).toBe(0n)
  })

  it('behaviour: an unknown answer is an error', () => {
    expect(() => payAnswer(testRecord('payer'), 'x', 1)).toThrow(ClearingError)
  })
})
