import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineError, UsageError } from '@freehold/core/errors'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { type Measured, measureModel } from '../engine/measure.ts'
import { quantise } from '../engine/quantise.ts'
import { ACORN } from '../engine/test-models.ts'
import { lossOf, perplexityOf } from './loss.ts'

/** For a machine that does much else at the same time. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const TEXT =
  'Once upon a time there was a fox who lived near a river. It had a lantern and a friend.'

let folder: string
let original: Measured
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-loss-'))
  original = await measureModel(ACORN, { text: TEXT })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('measureModel', () => {
  it('default: gives the logits of the engine, and what the others weigh', async () => {
    await using engine = createLlamaEngine()
    await using model = await engine.load(ACORN, { contextTokens: 256, sequences: 1 })
    await using sequence = await model.openSequence()
    const ids = await model.tokenize(TEXT)
    expect(original.chunks.map((chunk) => [...chunk])).toEqual([ids])
    const tops = await sequence.prefill(ids, { logitsFrom: 0 })
    expect(original.logSums).toHaveLength(ids.length - 1)
    for (let at = 0; at < ids.length - 1; at++) {
      const row = original.logits.subarray(at * 64, (at + 1) * 64)
      // Another size of batch moves logits a little.
      expect(Math.abs((row[0] ?? 0) - (tops[at]?.logits[0] ?? 0))).toBeLessThan(0.3)
      // The 64 likeliest of 2,048 weigh less than all, and most of it.
      const listed = row.reduce((sum, logit) => sum + Math.exp(logit), 0)
      const share = listed / Math.exp(original.logSums[at] ?? 0)
      expect(share).toBeLessThan(1.0001)
      expect(share).toBeGreaterThan(0.3)
    }
    expect(original.tokensPerSecond).toBeGreaterThan(0)
  })

  it('behaviour: what cannot be measured says so, and an abort ends it', async () => {
    await expect(measureModel(join(folder, 'none.gguf'), { text: TEXT })).rejects.toThrow(
      EngineError,
    )
    const controller = new AbortController()
    const onProgress = () => controller.abort(new Error('enough'))
    const { signal } = controller
    await expect(measureModel(ACORN, { text: TEXT, signal, onProgress })).rejects.toThrow('enough')
  })
})

describe('lossOf', () => {
  it('default: a model lost nothing against itself', async () => {
    const again = await measureModel(ACORN, { text: TEXT, original })
    expect(again.topIds).toEqual(original.topIds)
    const loss = lossOf(original, again)
    expect(loss.klMean).toBeLessThan(1e-4)
    expect(loss.topAgreement).toBe(1)
    expect(loss.perplexity).toBeCloseTo(loss.originalPerplexity, 3)
    expect(perplexityOf(original)).toBeGreaterThan(1)
    expect(perplexityOf(original)).toBeLessThan(2_048)
  })

  it('behaviour: a coarser quantisation loses more', async () => {
    const [fine, coarse] = await Promise.all(
      (['Q6_K', 'Q2_K'] as const).map(async (type) => {
        const path = join(folder, `${type}.gguf`)
        await quantise(ACORN, path, type)
        return lossOf(original, await measureModel(path, { text: TEXT, original }))
      }),
    )
    expect(fine?.klMean).toBeGreaterThan(0)
    expect(coarse?.klMean).toBeGreaterThan(2 * (fine?.klMean ?? 1))
    expect(coarse?.klP99).toBeGreaterThanOrEqual(coarse?.klMean ?? 1)
    expect(coarse?.topAgreement).toBeLessThanOrEqual(fine?.topAgreement ?? 0)
  })

  it('behaviour: known distributions give known numbers', () => {
    const measured = (logits: number[], topId: number): Measured => ({
      chunks: [],
      width: 2,
      ids: Uint32Array.of(0, 1),
      logits: Float32Array.from(logits),
      logSums: Float64Array.of(0),
      nextLogits: Float64Array.of(logits[0] ?? 0),
      topIds: Uint32Array.of(topId),
      tokensPerSecond: 1,
    })
    const [half, quarter, eighth] = [0.5, 0.25, 0.125].map(Math.log) as [number, number, number]
    const loss = lossOf(measured([half, quarter], 0), measured([quarter, eighth], 1))
    // 1/2 ln 2 + 1/4 ln 2, and the rest: 1/4 ln ((1/4) / (5/8)).
    expect(loss.klMean).toBeCloseTo(0.75 * Math.LN2 + 0.25 * Math.log(0.4), 6)
    expect(loss).toMatchObject({ positions: 1, topAgreement: 0 })
    expect(loss.perplexity).toBeCloseTo(4, 6)
    expect(loss.originalPerplexity).toBeCloseTo(2, 6)
  })

  it('behaviour: a text of one token measures nothing', async () => {
    const empty = await measureModel(ACORN, { text: 'a' })
    expect(() => lossOf(empty, empty)).toThrow(UsageError)
  })
})
