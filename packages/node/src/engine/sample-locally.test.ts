import type { TopLogits } from '@freehold/core/engine/engine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PLAIN_SAMPLING } from '../serving/text-generator.fixture.ts'
import {
  countRecent,
  hasPenalties,
  type LocalSampling,
  randomAt,
  sampleLocally,
} from './sample-locally.ts'

const NONE: ReadonlyMap<number, number> = new Map()
const OPEN: LocalSampling = { ...PLAIN_SAMPLING, topK: 0 }

/** Highest first, equal ones by lower id, as the engine returns them. */
function topOf(logits: readonly number[]): TopLogits {
  const sorted = logits
    .map((logit, id) => ({ id, logit: Math.fround(logit) }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
  return {
    ids: Uint32Array.from(sorted, ({ id }) => id),
    logits: Float32Array.from(sorted, ({ logit }) => logit),
  }
}

/** All that can be drawn, found by trying random numbers close to each other. */
function drawable(top: TopLogits, sampling: LocalSampling, recent = NONE): number[] {
  const ids = Array.from({ length: 2_000 }, (_, i) =>
    sampleLocally(top, sampling, recent, i / 2_000),
  )
  return [...new Set(ids)].sort((a, b) => a - b)
}

const logits = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), {
  minLength: 1,
  maxLength: 64,
})
const random = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

describe('sampleLocally', () => {
  it('default: draws from the softmax at the temperature', () => {
    const values = [2, 1.2, 1, 0.3, -0.5, -1]
    for (const temperature of [0.7, 1, 1.5]) {
      const weights = values.map((value) => Math.exp(value / temperature))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const seen = values.map(() => 0)
      const draws = 6_000
      for (let t = 0; t < draws; t++) {
        const sampling = { ...OPEN, temperature }
        // Both ways in which draws differ: by seed and by position.
        const id = sampleLocally(
          topOf(values),
          sampling,
          NONE,
          randomAt(t % 60, Math.floor(t / 60)),
        )
        seen[id] = (seen[id] ?? 0) + 1
      }
      const chiSquare = weights.reduce((sum, weight, id) => {
        const expected = (draws * weight) / total
        return sum + ((seen[id] ?? 0) - expected) ** 2 / expected
      }, 0)
      // 99.9th percentile of chi-square with five degrees of freedom; the seeds are fixed.
      expect(chiSquare).toBeLessThan(20.52)
    }
  })

  it('behaviour: is greedy at temperature 0', () => {
    fc.assert(
      fc.property(logits, random, (values, number) => {
        const top = topOf(values)
        const id = sampleLocally(top, { ...OPEN, temperature: 0 }, NONE, number)
        expect(id).toBe(top.ids[0])
      }),
    )
  })

  it('behaviour: keeps the topK highest, and no fewer', () => {
    const flat = topOf(Array.from({ length: 30 }, (_, id) => -id * 0.001))
    expect(drawable(flat, { ...OPEN, topK: 7 })).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(drawable(flat, { ...OPEN, topK: 0 })).toHaveLength(30)
  })

  it('behaviour: keeps the fewest that have topP together, before the temperature', () => {
    const half = topOf([0.5, 0.25, 0.15, 0.1].map(Math.log))
    for (const temperature of [0.5, 1, 2]) {
      const keep = (topP: number) => drawable(half, { ...OPEN, topP, temperature })
      expect(keep(0.4)).toEqual([0])
      expect(keep(0.6)).toEqual([0, 1])
      expect(keep(0.89)).toEqual([0, 1, 2])
      expect(keep(1)).toEqual([0, 1, 2, 3])
    }
  })

  it('behaviour: drops what is below minP of the highest', () => {
    const half = topOf([0.5, 0.25, 0.15, 0.1].map(Math.log))
    expect(drawable(half, { ...OPEN, minP: 0.29 })).toEqual([0, 1, 2])
    expect(drawable(half, { ...OPEN, minP: 1 })).toEqual([0])
  })

  it('behaviour: whatever narrows it, draws one of the kept', () => {
    fc.assert(
      fc.property(
        logits,
        random,
        fc.record({
          topK: fc.nat(70),
          topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
          minP: fc.double({ min: 0, max: 1, noNaN: true }),
          temperature: fc.double({ min: 0, max: 3, noNaN: true }),
        }),
        (values, number, narrow) => {
          const top = topOf(values)
          const id = sampleLocally(top, { ...OPEN, ...narrow }, NONE, number)
          const rank = top.ids.indexOf(id)
          expect(rank).toBeGreaterThanOrEqual(0)
          if (narrow.topK > 0) expect(rank).toBeLessThan(narrow.topK)
          const share = Math.exp(top.logits[rank]! - top.logits[0]!)
          expect(share).toBeGreaterThanOrEqual(narrow.minP * 0.999)
        },
      ),
    )
  })

  it('behaviour: penalises as llama.cpp does', () => {
    fc.assert(
      fc.property(
        logits,
        fc.array(fc.nat(63), { maxLength: 40 }),
        fc.double({ min: 0.5, max: 2, noNaN: true }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.double({ min: -2, max: 2, noNaN: true }),
        (values, recent, repeatPenalty, presencePenalty, frequencyPenalty) => {
          const counts = countRecent(recent, -1)
          const penalised = values.map((value, id) => {
            const logit = Math.fround(value)
            const count = recent.filter((other) => other === id).length
            if (count === 0) return logit
            const repeated = logit > 0 ? logit / repeatPenalty : logit * repeatPenalty
            return repeated - count * frequencyPenalty - presencePenalty
          })
          const sampling = {
            ...OPEN,
            repeatPenalty,
            presencePenalty,
            frequencyPenalty,
            temperature: 0,
          }
          const highest = Math.max(...penalised)
          expect(sampleLocally(topOf(values), sampling, counts, 0)).toBe(penalised.indexOf(highest))
        },
      ),
    )
  })

  it('behaviour: says when there is nothing to choose from', () => {
    expect(() => sampleLocally(topOf([]), OPEN, NONE, 0)).toThrow(RangeError)
  })
})

describe('countRecent', () => {
  it('default: counts the last ones only', () => {
    expect(countRecent([1, 2, 2, 3], 3)).toEqual(
      new Map([
        [2, 2],
        [3, 1],
      ]),
    )
    expect(countRecent([1, 2, 2, 3], 0)).toEqual(new Map())
    expect(countRecent([1, 2, 2, 3], 99).get(1)).toBe(1)
    expect(countRecent([1, 2, 2, 3], -1).get(1)).toBe(1)
  })

  it('behaviour: is not needed where nothing is penalised', () => {
    expect(hasPenalties(OPEN)).toBe(false)
    expect(hasPenalties({ ...OPEN, repeatPenalty: 1.1 })).toBe(true)
    expect(hasPenalties({ ...OPEN, presencePenalty: 1, penaltyTokens: 0 })).toBe(false)
  })
})

describe('randomAt', () => {
  it('default: is spread evenly over [0, 1)', () => {
    for (const seed of [0, 1, -1, 2 ** 40 + 3]) {
      const buckets = new Array<number>(20).fill(0)
      for (let t = 0; t < 20_000; t++) {
        const number = randomAt(seed, t)
        expect(number).toBeGreaterThanOrEqual(0)
        expect(number).toBeLessThan(1)
        buckets[Math.floor(number * 20)]! += 1
      }
      const chiSquare = buckets.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0)
      // 99.9th percentile with 19 degrees of freedom.
      expect(chiSquare).toBeLessThan(43.82)
    }
  })

  it('behaviour: differs by seed, its high half too, and by position', () => {
    const numbers = new Set<number>()
    for (const seed of [0, 1, 2, 2 ** 32, 2 ** 33, -5]) {
      for (let t = 0; t < 500; t++) numbers.add(randomAt(seed, t))
    }
    expect(numbers.size).toBe(3_000)
    expect(randomAt(7, 3)).toBe(randomAt(7, 3))
  })
})
