import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NEW_STANDING } from '../audit/standing.ts'
import { testRecord } from '../clearing/channel.fixture.ts'
import type { AnswerMeter, ChannelRecord } from '../clearing/channel.ts'
import { FORGIVEN_EXPOSURES, forgiveUnpaid } from './forgiveness.ts'

const DAY_MS = 24 * 3_600_000
const PRICES = { prompt: 200_000, cached: 20_000, output: 1_000_000 }
const PAYMENT = { prices: PRICES, windowTokens: 64, promptCapTokens: 100 }
/** 4 x (64 x 1 + 100 x 0.2) token units. */
const MOST_RAW = 336_000_000n

function unpaid(signedTokens: number, changes: Partial<AnswerMeter> = {}): AnswerMeter {
  return {
    ...{ prices: PRICES, promptTokens: 10, cachedTokens: 0, maxTokens: 100, signedTokens },
    ...{ paidTokens: 0, isPromptPaid: false, state: 'unpaid', startedAtMs: 0, holdBackUntilMs: 1 },
    ...changes,
  }
}

const forgive = (record: ChannelRecord, standing = NEW_STANDING, nowMs = DAY_MS) =>
  forgiveUnpaid(record, standing, { payment: PAYMENT, exposures: FORGIVEN_EXPOSURES, nowMs })

describe('forgiveness', () => {
  it('default: what may have been lost is ended with what is paid of it, and noted', () => {
    const half = unpaid(30, { paidTokens: 12, isPromptPaid: true })
    const { record, forgiven } = forgive(
      testRecord('payee', { answers: { a: unpaid(20), b: half } }),
    )
    expect(record.answers).toEqual({})
    // The paid tokens and prompt of b; a's prompt, which nothing was paid of, is given up too.
    expect(record.paidRaw).toBe(14_000_000n)
    expect(forgiven).toEqual({ raw: 22_000_000n + 18_000_000n, atMs: DAY_MS })
  })

  it('behaviour: no more than the bound; what is left stays unpaid', () => {
    const answers = Object.fromEntries(Array.from('abcdef').map((id) => [id, unpaid(64)]))
    const { record, forgiven } = forgive(testRecord('payee', { answers }))
    expect(Object.keys(record.answers)).toEqual(['f'])
    expect(forgiven.raw).toBeLessThanOrEqual(MOST_RAW)
    const later = forgive(record, { ...NEW_STANDING, forgiven }, DAY_MS + DAY_MS / 4)
    expect(later.record.answers).toEqual({})
  })

  it('behaviour: what was kept on purpose, or may still come, is not forgiven', () => {
    const answers = {
      a: unpaid(5, { state: 'withheld' }),
      b: unpaid(5, { state: 'held' }),
      c: unpaid(5, { state: 'streaming' }),
    }
    const before = testRecord('payee', { answers })
    expect(forgive(before)).toEqual({ record: before, forgiven: NEW_STANDING.forgiven })
  })

  it('behaviour: whoever never pays gains the bound at once, and the bound in each further day', () => {
    const tries = fc.array(fc.tuple(fc.nat(64), fc.nat(DAY_MS / 4)), { maxLength: 40 })
    fc.assert(
      fc.property(tries, (all) => {
        let standing = NEW_STANDING
        let nowMs = DAY_MS
        let gained = 0n
        for (const [tokens, waitMs] of all) {
          nowMs += waitMs
          const answers = { a: unpaid(tokens) }
          const { record, forgiven } = forgive(testRecord('payee', { answers }), standing, nowMs)
          standing = { ...standing, forgiven }
          const isForgiven = record.answers.a === undefined
          if (isForgiven && tokens > 0) gained += BigInt(tokens) * 1_000_000n + 2_000_000n
        }
        const fades = (MOST_RAW * BigInt(nowMs - DAY_MS)) / BigInt(DAY_MS)
        expect(gained).toBeLessThanOrEqual(MOST_RAW + fades)
      }),
    )
  })
})
