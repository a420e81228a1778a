import { sampleToken } from '@freehold/core/sampling/gumbel'
import { describe, expect, it } from 'vitest'
import { topLogits } from './top-logits.ts'

/** What wllama gives of raw logits: 32-bit probabilities. */
function probabilities(logits: readonly number[]): { token: number; p: number }[] {
  const weights = logits.map((logit) => Math.exp(logit))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight, token) => ({ token, p: Math.fround(weight / sum) }))
}

describe('topLogits', () => {
  it('default: gives logits but for one number, highest first', () => {
    const raw = [1.5, -3, 7.25, 0, 6]
    const { ids, logits } = topLogits(probabilities(raw))
    expect([...ids]).toEqual([2, 4, 0, 3, 1])
    const shift = (raw[2] as number) - (logits[0] as number)
    for (const [rank, id] of ids.entries()) {
      expect((logits[rank] as number) + shift).toBeCloseTo(raw[id] as number, 5)
    }
  })

  it('behaviour: the seeded sampler draws what it draws from raw logits', () => {
    const raw = Array.from({ length: 64 }, (_, id) => 8 * Math.sin(id * 1.7))
    const order = raw.map((_, id) => id).sort((a, b) => (raw[b] as number) - (raw[a] as number))
    const ids = Uint32Array.from(order)
    const own = { ids, logits: Float32Array.from(order, (id) => raw[id] as number) }
    const seed = new Uint8Array(32).fill(7)
    for (let t = 0; t < 200; t++) {
      expect(sampleToken(topLogits(probabilities(raw)), seed, t, 1)).toBe(
        sampleToken(own, seed, t, 1),
      )
    }
  })

  it('behaviour: equal ones come by lower id, and the impossible stays finite', () => {
    const { ids, logits } = topLogits([
      { token: 9, p: 0.5 },
      { token: 3, p: 0.5 },
      { token: 5, p: 0 },
      { token: 4, p: 0 },
    ])
    expect([...ids]).toEqual([3, 9, 4, 5])
    expect(logits[0]).toBe(logits[1])
    expect(Number.isFinite(logits[3])).toBe(true)
    expect(logits[3]).toBeLessThan(-100)
  })

  it('behaviour: says when nothing can be told', () => {
    const bad = [
      [Number.NaN, Number.NaN],
      [0, 0],
      [Number.POSITIVE_INFINITY, 0],
      [1, Number.NaN],
    ]
    for (const values of bad) {
      expect(() => topLogits(values.map((p, token) => ({ token, p })))).toThrow(/32 bits/)
    }
  })
})
