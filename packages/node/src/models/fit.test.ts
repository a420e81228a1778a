import { parseGguf } from '@freehold/core/engine/gguf'
import { smallGguf } from '@freehold/core/engine/small-gguf.fixture'
import { ModelError } from '@freehold/core/errors'
import { describe, expect, it, vi } from 'vitest'
import { readGguf } from '../engine/read-gguf.ts'
import { ACORN } from '../engine/test-models.ts'
import { allocations } from './allocations.fixture.ts'
import { estimateNeeds } from './fit.ts'
import { adviseFit, markFit, requireFit } from './fit-advice.ts'

/** For a machine that does much else at the same time. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const { header } = await readGguf(ACORN)
const free = (availableBytes: number) => ({
  availableBytes,
  totalBytes: 1e12,
  source: 'system' as const,
})

describe('estimateNeeds', () => {
  it('default: is what llama.cpp allocates: weights and cache to 1 %, compute to a tenth or 2 MB', async () => {
    for (const [contextTokens, sequences, flashAttn] of [
      [1024, 4, false],
      [1024, 2, true],
      [200, 1, false],
    ] as const) {
      const needs = estimateNeeds(header, { contextTokens, sequences, flashAttn })
      const real = await allocations(ACORN, { contextTokens, sequences, flashAttn })
      const near = (own: number, other: number, share = 0.01, least = 6e3) =>
        expect(Math.abs(own - other)).toBeLessThan(Math.max(least, share * other))
      near(needs.weightsBytes, real.model)
      near(needs.kvBytes, real.KV)
      near(needs.computeBytes, real.compute, 0.1, 2e6)
    }
  })

  it('behaviour: asks for no longer context than the model has', () => {
    const [long, own] = [1_000_000, 1_024].map((contextTokens) =>
      estimateNeeds(header, { contextTokens, sequences: 1 }),
    )
    expect(long).toEqual(own)
  })

  it('behaviour: a header that says no shape, or an absurd one, is refused', () => {
    const bytes = smallGguf()
    const small = parseGguf(bytes, bytes.length)
    const init = { contextTokens: 64, sequences: 1 }
    expect(() => estimateNeeds(small, init)).toThrow(ModelError)
    const absurd = new Map([...header.metadata, ['llama.embedding_length', 4e9]])
    expect(() => estimateNeeds({ ...header, metadata: absurd }, init)).toThrow(/4000000000/)
  })
})

describe('adviseFit', () => {
  const init = { contextTokens: 1024, sequences: 4 }
  const { totalBytes, weightsBytes } = estimateNeeds(header, init)

  it('default: marks what fits, what is tight and what is too big', () => {
    expect([10, 0.9, 0.5].map((times) => adviseFit(header, init, times * totalBytes).mark)).toEqual(
      ['fits', 'too big', 'too big'],
    )
    expect(markFit(85, 100)).toBe('tight')
  })

  it('behaviour: offers the longest context that fits, and the finest quantisation', () => {
    const advice = adviseFit(header, init, totalBytes - weightsBytes / 3)
    expect(advice.contextTokens).toBe(512)
    expect(advice.shrinkTo?.quantisation).toBe('Q4_K_M')
    const none = adviseFit(header, init, 1e6)
    expect([none.contextTokens, none.shrinkTo]).toEqual([null, null])
  })

  it('behaviour: the refusal names the numbers and what to do', () => {
    expect(() => requireFit(header, init, free(totalBytes), 'x.gguf')).not.toThrow()
    expect(() => requireFit(header, init, free(totalBytes - 1e6), 'x.gguf')).toThrow(
      /needs \d+(\.\d)? MB \(weights 3\.4 MB, .*\), and \d+(\.\d)? MB are free\. Load it with a context of 512 tokens, or shrink it with: freehold shrink x\.gguf --to Q5_K_M/,
    )
    expect(() => requireFit(header, init, free(1e6), 'x.gguf')).toThrow(/freehold models/)
  })
})
