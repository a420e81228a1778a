import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Verdict } from '../wire/frames.ts'
import { drawCoin } from './coin.ts'
import { createTestRandom } from './model.fixture.ts'
import { auditRate, deterrence, NEW_STANDING, noteAudit, type Standing } from './standing.ts'
import { EMPTY_POOL } from './verdict.ts'

const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('drawCoin', () => {
  it('default: falls at its rate', () => {
    const random = createTestRandom(3)
    const secret = random(32)
    const hashes = Array.from({ length: 4_000 }, () => random(32))
    const drawn = hashes.filter((hash) => drawCoin(secret, hash, 0.25)).length
    expect(Math.abs(drawn / hashes.length - 0.25)).toBeLessThan(0.03)
  })

  it('behaviour: always at rate 1, never at rate 0, and more often at a higher rate', () => {
    const rate = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(bytes, bytes, rate, rate, (secret, hash, a, b) => {
        expect(drawCoin(secret, hash, 1)).toBe(true)
        expect(drawCoin(secret, hash, 0)).toBe(false)
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        if (drawCoin(secret, hash, low)) expect(drawCoin(secret, hash, high)).toBe(true)
      }),
    )
  })

  it('behaviour: the same answer is drawn the same way, whatever came before', () => {
    const random = createTestRandom(4)
    const secret = random(32)
    const hashes = Array.from({ length: 50 }, () => random(32))
    const draw = (list: readonly Uint8Array[]) =>
      new Map(list.map((hash) => [hash, drawCoin(secret, hash, 0.5)]))
    const forwards = draw(hashes)
    const backwards = draw(hashes.toReversed())
    for (const hash of hashes) expect(backwards.get(hash)).toBe(forwards.get(hash))
  })

  it('behaviour: nobody without the secret can foresee it', () => {
    const random = createTestRandom(5)
    const [own, other] = [random(32), random(32)]
    const hashes = Array.from({ length: 400 }, () => random(32))
    const same = hashes.filter((hash) => drawCoin(own, hash, 0.5) === drawCoin(other, hash, 0.5))
    expect(Math.abs(same.length / hashes.length - 0.5)).toBeLessThan(0.1)
  })
})

const note = (standing: Standing, verdict: Verdict, llr = 0) =>
  noteAudit(standing, 'm', {
    verdict,
    why: `it is ${verdict}`,
    pool: { ...EMPTY_POOL, answers: 1, llr: { cheat: llr } },
  })

describe('standing', () => {
  const known: Standing = { ...NEW_STANDING, answers: 20 }

  it('default: every answer is audited until twenty were seen', () => {
    for (const answers of [0, 1, 19]) {
      expect(auditRate({ ...NEW_STANDING, errorRate: 0, answers })).toBe(1)
    }
    expect(auditRate({ ...NEW_STANDING, errorRate: 0, answers: 20 })).toBe(0.02)
  })

  it('behaviour: the rate falls with passes only, to a floor', () => {
    let standing = known
    expect(auditRate(standing)).toBe(1)
    const rates: number[] = []
    for (let i = 0; i < 100; i++) {
      standing = note(standing, 'pass', -5).standing
      rates.push(auditRate(standing))
    }
    expect(rates).toEqual(rates.toSorted((a, b) => b - a))
    expect(rates[0]).toBeCloseTo(0.95)
    expect(rates[75]).toBeGreaterThan(0.02)
    expect(rates[76]).toBe(0.02)
    expect(standing.audits).toEqual({ pass: 100, fail: 0, pending: 0 })
  })

  it('behaviour: pending answers earn no trust', () => {
    let standing = known
    for (let i = 0; i < 50; i++) standing = note(standing, 'pending').standing
    expect(auditRate(standing)).toBe(1)
    expect(standing.refusedBecause).toBeNull()
  })

  it('behaviour: a fail is for good', () => {
    const { standing, pooled } = note(known, 'fail')
    expect(pooled).toBe('fail')
    expect(standing).toMatchObject({ refusedBecause: 'it is fail', errorRate: 1 })
    const later = note(note(standing, 'pass', -5).standing, 'fail').standing
    expect(later.refusedBecause).toBe('it is fail')
  })

  it('behaviour: answers that prove nothing alone convict together', () => {
    let standing = known
    for (let i = 0; i < 3; i++) standing = note(standing, 'pending', 4).standing
    expect(standing.refusedBecause).toBeNull()
    const last = note(standing, 'pending', 4)
    expect(last.pooled).toBe('fail')
    expect(last.standing.refusedBecause).not.toBeNull()
    expect(last.standing.audits.fail).toBe(1)
  })

  it('behaviour: models are pooled apart', () => {
    let standing = known
    for (const model of ['a', 'b', 'c', 'd']) {
      const pool = { ...EMPTY_POOL, answers: 1, llr: { cheat: 5 } }
      standing = noteAudit(standing, model, { verdict: 'pending', why: '', pool }).standing
    }
    expect(standing.refusedBecause).toBeNull()
    expect(Object.keys(standing.pools)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('behaviour: what was there before is not changed', () => {
    const frozen = Object.freeze({ ...known, pools: Object.freeze({}) })
    expect(() => note(frozen, 'fail')).not.toThrow()
    expect(frozen.refusedBecause).toBeNull()
  })
})

describe('deterrence', () => {
  const answer = { priceUnits: 100, heldUnits: 50, expectedLlr: 40 }

  it('default: audited always and caught surely, cheating does not pay', () => {
    const shown = deterrence(NEW_STANDING, answer)
    expect(shown).toMatchObject({ p: 1, lossUnits: 2_050, gainUnits: 100, isDeterred: true })
    expect(shown.d).toBeGreaterThan(0.99)
  })

  it('behaviour: text that shows nothing deters nobody', () => {
    const shown = deterrence(NEW_STANDING, { ...answer, expectedLlr: 0 })
    expect(shown.d).toBeLessThan(1e-6)
    expect(shown.isDeterred).toBe(false)
  })

  it('behaviour: half are caught when the evidence is at the line', () => {
    const { d } = deterrence(NEW_STANDING, { ...answer, expectedLlr: Math.log(1e6) })
    expect(d).toBeCloseTo(0.5, 6)
  })
})
