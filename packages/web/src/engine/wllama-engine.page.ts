import type { TopLogits } from '@freehold/core/engine/engine'
import { engineCompliance } from '@freehold/core/engine/engine.compliance'
import { describe, expect, it } from 'vitest'
import { exposeSuites } from '../testing/page-suite.fixture.ts'
import { WASM_FILES } from './wasm-files.ts'
import { createWllamaEngine } from './wllama-engine.ts'

const workers: Worker[] = []
globalThis.Worker = class extends Worker {
  constructor(...init: ConstructorParameters<typeof Worker>) {
    super(...init)
    workers.push(this)
  }
}

const bad = (await (await fetch('/bad-models')).json()) as Record<string, string>

engineCompliance('llama.cpp in WebAssembly', {
  createEngine: () => createWllamaEngine({ wasm: WASM_FILES, threads: 1 }),
  model: '/model.gguf',
  tensorless: '/tensorless.gguf',
  badModels: bad,
  crash: () => {
    // What native code does not know makes it abort. The model was the last one to be loaded.
    const message = { verb: 'wllama.action', args: ['nothing', new Uint8Array(8)], callbackId: 1e9 }
    workers.at(-1)?.postMessage(message)
  },
})

describe('llama.cpp in WebAssembly', () => {
  it('default: says what its numbers depend on', async () => {
    await using engine = createWllamaEngine({ wasm: WASM_FILES, threads: 1 })
    await using model = await engine.load('/model.gguf', { contextTokens: 256, sequences: 1 })
    const { engine: name, ...profile } = model.info.profile
    expect(name).toMatch(/^llama\.cpp b\d+-\S+ \(wllama \d+\.\d+\.\d+\)$/)
    expect(profile).toEqual({
      backend: 'wasm',
      isa: 'simd128',
      kvType: 'f16',
      flashAttn: false,
      relaxedSimd: false,
    })
  })

  it('behaviour: two threads compute what one computes', async () => {
    // Without it one thread would compute both.
    expect(globalThis.crossOriginIsolated).toBe(true)
    const tops: TopLogits[][] = []
    for (const threads of [1, 2]) {
      await using engine = createWllamaEngine({ wasm: WASM_FILES, threads })
      await using model = await engine.load('/model.gguf', { contextTokens: 256, sequences: 1 })
      await using sequence = await model.openSequence()
      const ids = await model.tokenize('What is a voucher?')
      tops.push(await sequence.prefill(ids, { logitsFrom: 0 }))
    }
    const best = (positions: TopLogits[] | undefined) => positions?.map(({ logits }) => logits[0])
    const [one, two] = tops.map(best)
    expect(two).toHaveLength(one?.length ?? 0)
    for (const [i, logit] of (two ?? []).entries()) expect(logit).toBeCloseTo(one?.[i] ?? 0, 1)
  })

  it('behaviour: says what llama.cpp says, when asked', async () => {
    const lines: string[] = []
    await using engine = createWllamaEngine({
      wasm: WASM_FILES,
      threads: 1,
      log: (line) => lines.push(line),
    })
    await using model = await engine.load('/model.gguf', { contextTokens: 256, sequences: 1 })
    expect(model.info.vocabSize).toBeGreaterThan(0)
    expect(lines.join('\n')).toContain('llama_model_loader')
  })
})
exposeSuites()
