import { createHash, createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TopLogits } from '../engine/engine.ts'
import { gumbel, logProbMilli, sampleToken, score, stepKey, stepNoise } from './gumbel.ts'

/** The sampler once more, from its description alone (trust model, "gumbel-sha256/1"). */
function reference(
  top: readonly (readonly [id: number, logit: number])[],
  seed: Uint8Array,
  t: number,
  temperature: number,
): number {
  const step = Buffer.alloc(7)
  step.write('g1|')
  step.writeUInt32LE(t, 3)
  const key = createHmac('sha256', seed).update(step).digest()
  const scored = top.slice(0, 40).map(([id, logit]) => {
    const name = Buffer.alloc(4)
    name.writeUInt32LE(id)
    const digest = createHash('sha256').update(key).update(name).digest()
    const u = (Number(digest.readBigUInt64BE() >> 11n) + 0.5) / 2 ** 53
    return { id, value: temperature === 0 ? logit : logit / temperature - Math.log(-Math.log(u)) }
  })
  scored.sort((a, b) => b.value - a.value || a.id - b.id)
  return (scored[0] as { id: number }).id
}

function seedOf(n: number): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`seed ${n}`).digest())
}

/** Highest first, equal ones by lower id, as an engine returns them. */
function topOf(pairs: readonly (readonly [id: number, logit: number])[]): TopLogits {
  const sorted = pairs
    .map(([id, logit]) => [id, Math.fround(logit)] as const)
    .sort(([a, x], [b, y]) => y - x || a - b)
    .slice(0, 64)
  return {
    ids: Uint32Array.from(sorted, ([id]) => id),
    logits: Float32Array.from(sorted, ([, logit]) => logit),
  }
}

const logits = fc
  .uniqueArray(fc.tuple(fc.nat(200_000), fc.double({ min: -30, max: 30, noNaN: true })), {
    selector: ([id]) => id,
    minLength: 1,
    maxLength: 64,
  })
  .map(topOf)
const seed = fc.uint8Array({ minLength: 32, maxLength: 32 })
const SEED = seedOf(0)

describe('sampleToken', () => {
  it('default: is what an independent writing of its description gives', () => {
    fc.assert(
      fc.property(
        logits,
        seed,
        fc.nat(16_384),
        fc.constantFrom(0, 0.001, 0.5, 0.8, 1, 2),
        (top, bytes, t, temperature) => {
          const pairs = [...top.ids].map((id, i) => [id, top.logits[i] as number] as const)
          expect(sampleToken(top, bytes, t, temperature)).toBe(
            reference(pairs, bytes, t, temperature),
          )
        },
      ),
      { seed: 7, numRuns: 300 },
    )
  })

  for (const temperature of [0.7, 1, 1.5]) {
    it(`behaviour: draws from the softmax at temperature ${temperature}`, () => {
      const pairs = [2, 1.2, 1, 0.3, -0.5, -1].map((logit, id) => [id, logit] as const)
      const top = topOf(pairs)
      const weights = pairs.map(([, logit]) => Math.exp(logit / temperature))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const draws = 6_000
      const seen = new Array<number>(pairs.length).fill(0)
      for (let draw = 0; draw < draws; draw++) {
        // Both ways in which an answer's draws differ: by seed and by position.
        const chosen = sampleToken(top, seedOf(draw % 60), Math.floor(draw / 60), temperature)
        seen[chosen] = (seen[chosen] ?? 0) + 1
      }
      const chiSquare = weights.reduce((sum, weight, id) => {
        const expected = (draws * weight) / total
        return sum + ((seen[id] as number) - expected) ** 2 / expected
      }, 0)
      // 99.9th percentile of chi-square with five degrees of freedom; the seeds are fixed.
      expect(chiSquare).toBeLessThan(20.52)
    })
  }

  it('behaviour: equal scores go to the lowest id, whatever the order', () => {
    const tied: TopLogits = { ids: Uint32Array.of(9, 3, 5), logits: Float32Array.of(1, 1, 1) }
    expect(sampleToken(tied, SEED, 0, 0)).toBe(3)
    expect(
      sampleToken(
        topOf([
          [9, 1],
          [3, 1],
          [5, 0.9],
        ]),
        SEED,
        0,
        0,
      ),
    ).toBe(3)
  })

  it('behaviour: at temperature 0 the seed does not matter', () => {
    const top = topOf([
      [4, 0.5],
      [8, 0.6],
      [2, 0.1],
    ])
    for (let n = 0; n < 50; n++) expect(sampleToken(top, seedOf(n), n, 0)).toBe(8)
  })

  it('behaviour: chooses among the top 40 only', () => {
    const flat = topOf(Array.from({ length: 64 }, (_, i) => [i, -i * 1e-6] as const))
    const chosen = new Set<number>()
    for (let t = 0; t < 2_000; t++) chosen.add(sampleToken(flat, SEED, t, 1))
    expect([...chosen].every((id) => id < 40)).toBe(true)
    expect(chosen.size).toBe(40)
  })

  it('behaviour: differs by seed and by position', () => {
    const flat = topOf(Array.from({ length: 40 }, (_, i) => [i, 0] as const))
    const line = (bytes: Uint8Array) =>
      Array.from({ length: 20 }, (_, t) => sampleToken(flat, bytes, t, 1)).join()
    expect(line(SEED)).toBe(line(SEED))
    expect(line(SEED)).not.toBe(line(seedOf(1)))
    expect(new Set(line(SEED).split(',')).size).toBeGreaterThan(5)
  })

  it('behaviour: says when there is nothing to choose from', () => {
    const none: TopLogits = { ids: Uint32Array.of(1), logits: Float32Array.of(-Infinity) }
    expect(() => sampleToken(none, SEED, 0, 1)).toThrow(RangeError)
    expect(() => sampleToken(topOf([]), SEED, 0, 0)).toThrow(RangeError)
  })
})

describe('score', () => {
  it('default: is the logit over the temperature plus the noise', () => {
    const noise = stepNoise(SEED, 3)
    expect(score(2, 7, 0.5, noise)).toBe(4 + gumbel(stepKey(SEED, 3), 7))
    expect(score(2, 7, 0, noise)).toBe(2)
  })

  it('behaviour: the noise is finite and has the mean of a Gumbel', () => {
    const key = stepKey(SEED, 0)
    const noise = Array.from({ length: 4_000 }, (_, id) => gumbel(key, id))
    expect(noise.every(Number.isFinite)).toBe(true)
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length
    expect(Math.abs(mean - 0.5772)).toBeLessThan(0.08)
  })
})

describe('logProbMilli', () => {
  it('default: is the log of the share, in thousandths', () => {
    const top = topOf([
      [1, Math.log(3)],
      [2, 0],
    ])
    expect(logProbMilli(top, 1)).toBe(-288)
    expect(logProbMilli(top, 2)).toBe(-1_386)
  })

  it('behaviour: stays within 0 to -32768, and an unknown token is at the bottom', () => {
    fc.assert(
      fc.property(logits, fc.nat(200_000), (top, other) => {
        for (const id of [other, ...top.ids]) {
          const lp = logProbMilli(top, id)
          expect(Number.isInteger(lp)).toBe(true)
          expect(Object.is(lp, -0)).toBe(false)
          expect(lp).toBeLessThanOrEqual(0)
          expect(lp).toBeGreaterThanOrEqual(-32_768)
          if (!top.ids.includes(id)) expect(lp).toBe(-32_768)
        }
      }),
    )
    expect(logProbMilli(topOf([[5, 1]]), 5)).toBe(0)
    expect(
      logProbMilli(
        topOf([
          [5, 0],
          [6, -1_000],
        ]),
        6,
      ),
    ).toBe(-32_768)
  })

  it('behaviour: the shares add up to one', () => {
    fc.assert(
      fc.property(logits, (top) => {
        const sum = [...top.ids].reduce(
          (total, id) => total + Math.exp(logProbMilli(top, id) / 1_000),
          0,
        )
        expect(Math.abs(sum - 1)).toBeLessThan(0.002)
      }),
    )
  })
})
