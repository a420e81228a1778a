import { describe, expect, it } from 'vitest'
import type { TopLogits } from '../engine/engine.ts'
import { sampleToken, score, stepNoise, TOP_K } from '../sampling/gumbel.ts'
import { createTestModel, createTestRandom, speak } from './model.fixture.ts'
import { judgeToken, type ReplayedPosition, replay } from './replay.ts'
import { summarise } from './statistics.ts'

const SEED = new Uint8Array(32).fill(5)
const NOISE = stepNoise(SEED, 0)

function topOf(logits: readonly number[]): TopLogits {
  return { ids: Uint32Array.from(logits.keys()), logits: Float32Array.from(logits) }
}

/** The candidates by what the seeded sampler makes of them, best first. */
function ranking(top: TopLogits, temperature: number, size = TOP_K) {
  return [...top.ids]
    .slice(0, size)
    .map((id, i) => ({ id, value: score(top.logits[i] as number, id, temperature, NOISE) }))
    .sort((a, b) => b.value - a.value)
}

describe('judgeToken', () => {
  it('default: the seeded choice has no margin, and its lead is the gap', () => {
    const top = topOf([3, 2.5, 2, 1, 0.5])
    for (const temperature of [0.5, 1, 2]) {
      const [first, second] = ranking(top, temperature)
      const judged = judgeToken(top, sampleToken(top, SEED, 0, temperature), NOISE, temperature)
      expect(judged.margin).toBe(0)
      expect(judged.isOut).toBe(false)
      expect(judged.gap).toBeCloseTo(temperature * (first!.value - second!.value), 6)
    }
  })

  it('behaviour: another candidate is as far off as its score, in logits', () => {
    const top = topOf([3, 2.5, 2, 1, 0.5])
    const [first, , third] = ranking(top, 0.5)
    const judged = judgeToken(top, third!.id, NOISE, 0.5)
    expect(judged.margin).toBeCloseTo(0.5 * (first!.value - third!.value), 6)
  })

  it('behaviour: a near tie has a small margin and a small gap', () => {
    const keyed = [0, 1].map((id) => NOISE(id)) as [number, number]
    // The second's noise, less a hair: the first wins by that hair.
    const top = topOf([0, 0]) // Logits are set so that both scores are nearly the same.
    top.logits[0] = keyed[1] - keyed[0] + 0.003
    const judged = judgeToken(top, 1, NOISE, 1)
    expect(judged.margin).toBeCloseTo(0.003, 5)
    expect(judged.gap).toBeCloseTo(0.003, 5)
  })

  it('behaviour: a token that is no candidate is out', () => {
    const judged = judgeToken(topOf([1, 0]), 7, NOISE, 1)
    expect(judged).toMatchObject({ isOut: true, margin: Infinity, lpMilli: -32_768 })
  })

  it('behaviour: the edge of the candidates has slack on both sides', () => {
    // 30 clear candidates, the 40th at 0, then 24 below it.
    const edge = [
      ...Array.from({ length: 30 }, () => 5),
      ...Array.from({ length: 10 }, () => 0),
      ...Array.from({ length: 12 }, () => -0.4),
      ...Array.from({ length: 12 }, () => -0.6),
    ]
    const top = topOf(edge)
    // Within half a logit below the edge it may have been an honest candidate elsewhere ...
    expect(judgeToken(top, 45, NOISE, 1).isOut).toBe(false)
    // ... beyond that it was not.
    expect(judgeToken(top, 60, NOISE, 1).isOut).toBe(true)
    // And what is at the edge competes with nobody: an honest device may not have seen it.
    const clear = ranking(top, 1, 30)[0]!
    const best = ranking(top, 1, 64)[0]!
    expect(judgeToken(top, clear.id, NOISE, 1).margin).toBe(0)
    expect(clear.value).toBeLessThanOrEqual(best.value)
  })

  it('behaviour: a vocabulary smaller than the candidate list has no edge', () => {
    const top = topOf(Array.from({ length: 20 }, (_, i) => -i * 0.01))
    const [first, second] = ranking(top, 1)
    const judged = judgeToken(top, second!.id, NOISE, 1)
    expect(judged.margin).toBeCloseTo(first!.value - second!.value, 6)
  })

  it('behaviour: at temperature 0 only the logits count', () => {
    const top = topOf([3, 2.75, 1])
    expect(judgeToken(top, 0, NOISE, 0)).toMatchObject({ margin: 0, gap: 0.25 })
    expect(judgeToken(top, 1, NOISE, 0)).toMatchObject({ margin: 0.25, gap: 0.25 })
    expect(judgeToken(top, 1, stepNoise(SEED, 9), 0).margin).toBe(0.25)
  })
})

describe('replay', () => {
  const model = createTestModel({ weights: 1, device: 1 })
  const init = { promptIds: [1, 2, 3], seed: SEED, temperature: 1 }

  it('default: the same device finds its own tokens', async () => {
    const ids = await speak(model, { ...init, maxTokens: 40 })
    const positions = await replay(model, { ...init, ids })
    expect(positions).toHaveLength(40)
    expect(positions.every(({ margin }) => margin === 0)).toBe(true)
  })

  it('behaviour: each position is judged under its own prefix', async () => {
    const ids = await speak(model, { ...init, maxTokens: 20 })
    const changed = ids.with(10, (ids[10]! + 1) % 16)
    const positions = await replay(model, { ...init, ids: changed })
    expect(positions.slice(0, 10).every(({ margin }) => margin === 0)).toBe(true)
    expect(positions[10]?.margin).toBeGreaterThan(0)
    // The wrong token is in the memory of the next three.
    expect(positions.slice(14).every(({ margin }) => margin === 0)).toBe(true)
  })

  it('behaviour: moved by one place nothing matches', async () => {
    const ids = await speak(model, { ...init, maxTokens: 60 })
    const positions = await replay(model, { ...init, ids: ids.slice(1) })
    expect(summarise(positions, null).matches).toBeLessThan(0.4)
  })

  it('behaviour: another seed, prompt or temperature is another answer', async () => {
    const ids = await speak(model, { ...init, maxTokens: 60 })
    const seed = createTestRandom(1)(32)
    for (const other of [{ seed }, { promptIds: [4, 5, 6] }, { temperature: 0.3 }]) {
      const positions = await replay(model, { ...init, ids, ...other })
      expect(positions.some(({ margin }) => margin > 0.5)).toBe(true)
    }
  })

  it('behaviour: nothing to replay is no position', async () => {
    expect(await replay(model, { ...init, ids: [] })).toEqual([])
  })
})

describe('summarise', () => {
  const position = (init: Partial<ReplayedPosition>): ReplayedPosition => ({
    margin: 0,
    gap: 1,
    isOut: false,
    lpMilli: -1_000,
    ...init,
  })

  it('default: counts and means', () => {
    const positions = [
      position({}),
      position({ margin: 0.5 }),
      position({ margin: 3 }),
      position({ margin: Infinity, isOut: true }),
    ]
    expect(summarise(positions, [-1_000, -900, -1_500, -1_000])).toEqual({
      positions: 4,
      meanClippedMargin: (0.5 + 1 + 1) / 4,
      matches: 0.25,
      hard: 2,
      out: 1,
      lpMeanDelta: 0.15,
      lpP99Delta: 0.5,
    })
  })

  it('behaviour: nothing measured is nothing claimed', () => {
    expect(summarise([], [])).toMatchObject({ positions: 0, matches: 0, lpMeanDelta: null })
    expect(summarise([position({})], null)).toMatchObject({ lpMeanDelta: null, lpP99Delta: null })
  })
})
