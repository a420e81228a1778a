import { stat } from 'node:fs/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { ACORN } from '../engine/test-models.ts'
import { loadWith, needsOf } from './load-served.ts'
import { PLAIN_SAMPLING, readWhole } from './text-generator.fixture.ts'

const engine = createLlamaEngine()
afterAll(() => engine[Symbol.asyncDispose]())

const ask = { contextTokens: 512, parallel: 2 }
const { signal } = new AbortController()

describe('loadWith', () => {
  it('default: attention is computed, and contexts kept, as it was asked', async () => {
    for (const [init, profile] of [
      [{}, { flashAttn: false, kvType: 'f16' }],
      [
        { flashAttn: true, kvType: 'q8_0' },
        { flashAttn: true, kvType: 'q8_0' },
      ],
    ] as const) {
      await using served = await loadWith(engine, init)(ACORN, { ...ask, signal })
      expect(served.model.info.profile).toMatchObject(profile)
      const promptIds = await served.model.tokenize('The owl', { special: true })
      const { ids } = await readWhole(served.generator, { promptIds, sampling: PLAIN_SAMPLING })
      expect(ids.length).toBeGreaterThan(0)
    }
  })
})

describe('needsOf', () => {
  it('default: a context of q8_0 takes a little more than half of what f16 takes', async () => {
    const { size } = await stat(ACORN)
    const model = { name: 'acorn', source: ACORN, sizeBytes: size, modifiedMs: 0 }
    const needs = (kvType: 'f32' | 'f16' | 'q8_0') =>
      needsOf(model, { ...ask, parallel: 4 }, { flashAttn: true, kvType })
    const [f32, f16, q8] = [await needs('f32'), await needs('f16'), await needs('q8_0')]
    // Of the same model the rest is the same.
    const f16Cache = (f32 - f16) / (4 - 2)
    expect((f16 - q8) / f16Cache).toBeCloseTo(2 - 34 / 32, 3)
  })
})
