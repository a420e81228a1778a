/** What the program says and does with models that it does not ship, held against llama.cpp itself. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeSyntheticModel } from '../bench/synthetic-model.ts'
import { hashFile } from '../packages/node/src/engine/hash-file.ts'
import { type Quantisation, quantise } from '../packages/node/src/engine/quantise.ts'
import { readGguf } from '../packages/node/src/engine/read-gguf.ts'
import { allocations } from '../packages/node/src/models/allocations.fixture.ts'
import { estimateNeeds } from '../packages/node/src/models/fit.ts'

/** For a machine that does much else at the same time. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const SHAPE = {
  layers: 2,
  width: 256,
  heads: 4,
  kvHeads: 2,
  feedForward: 512,
  vocabulary: 1_024,
}

/**
 * SHA-256 of what `llama-quantize` itself wrote: the program of llama.cpp v0.5.0, built from the source
 * in node-llama-cpp's `llama/gitRelease.bundle` (tools/quantize) and linked to the libraries that
 * node-llama-cpp ships for Linux x64, run as `llama-quantize synthetic.gguf out.gguf TYPE 2`. So they
 * show that our call sets what that program sets; the arithmetic is one library's in both.
 */
const BY_LLAMA_QUANTIZE: Partial<Record<Quantisation, string>> = {
  Q8_0: '1d1565115ac630bd1a972e6469ba1cb58c28162c177a5f06c3319d902f594447',
  Q6_K: '7f29791de434688c75f37c770dd329dea82d5ee832d413f4d3d1e62c9d2302f6',
  Q5_K_M: '895c49ee559fdabeb768759766d431b80500e5c3d6efe1975ca6143f1812d6b8',
  Q4_K_M: 'ec5bd19a746db937492cd98606e15106a7d4b5a5881bec8cfd70b62a9213c947',
  Q4_0: '2e6dcc77f83802243dbc684edc05ad94d4a7511cbccfec503ad34be7e36e792d',
  Q3_K_M: '17f35c605a9c28d089daf96c6d02cc5877ddf4f16b33df1120acc11bf6105a63',
  Q2_K: 'c399a357dc21044d61e26f33be55dee4daaf1e07f3d28857dbf7c0aa4dfebc1c',
}
const INPUT = 'f042b807ec3f388c1ad31ed20aecadfd2c8d755bcea2f3a461cd101bee8202c7'

/** Another compiler may round otherwise. */
const isRecordedHere = process.platform === 'linux' && process.arch === 'x64'

let folder: string
let original: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-synthetic-'))
  original = join(folder, 'synthetic.gguf')
  await makeSyntheticModel(original, SHAPE, 'F16')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('quantise', () => {
  it.runIf(isRecordedHere)('default: gives llama-quantize’s bytes', async () => {
    expect(await hashFile(original)).toBe(INPUT)
    for (const [type, digest] of Object.entries(BY_LLAMA_QUANTIZE)) {
      const path = join(folder, `${type}.gguf`)
      await quantise(original, path, type as Quantisation)
      expect([type, await hashFile(path)]).toEqual([type, digest])
    }
  })
})

describe('estimateNeeds', () => {
  it('default: is what llama.cpp allocates: weights and cache to 1 %, compute to a tenth or 2 MB', async () => {
    const { header } = await readGguf(original)
    for (const init of [
      { contextTokens: 2_048, sequences: 2, flashAttn: false },
      { contextTokens: 9_000, sequences: 1, flashAttn: false },
      { contextTokens: 2_048, sequences: 1, flashAttn: true },
    ]) {
      const needs = estimateNeeds(header, init)
      const real = await allocations(original, init)
      expect(Math.abs(needs.weightsBytes / real.model - 1)).toBeLessThan(0.01)
      expect(Math.abs(needs.kvBytes / real.KV - 1)).toBeLessThan(0.01)
      const differBytes = Math.abs(needs.computeBytes - real.compute)
      expect(differBytes).toBeLessThan(Math.max(2e6, 0.1 * real.compute))
    }
  })
})
