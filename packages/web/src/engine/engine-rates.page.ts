/** A page for benchmarks: our engine beside wllama by itself, on the same bytes. */
import type { Model } from '@freehold/core/engine/engine'
import { sampleToken } from '@freehold/core/sampling/gumbel'
import { Wllama } from '@wllama/wllama/esm/index.js'
import type { EngineRatesPage } from './engine-rates-page.fixture.ts'
import { WASM_FILES } from './wasm-files.ts'
import { createWllamaEngine } from './wllama-engine.ts'
import { BATCH_TOKENS } from './wllama-model.ts'

const CONTEXT = 512
/** What our sampler draws from too. */
const SAMPLING = { temp: 1, top_k: 40, top_p: 1, min_p: 0 }
const SEED = new Uint8Array(32).fill(7)

const engine = createWllamaEngine({ wasm: WASM_FILES, threads: 1 })
let model: Model | undefined
let bare: Wllama | undefined

async function loadOwn(url: string): Promise<Model> {
  model = await engine.load(url, { sequences: 1, contextTokens: CONTEXT })
  return model
}

function loaded<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('the page has loaded no model')
  return part
}

const testPage: EngineRatesPage = {
  loadOwn: async (url) => void (await loadOwn(url)),
  load: async (url) => {
    const { info } = await loadOwn(url)
    bare = new Wllama({ 'single-thread/wllama.wasm': WASM_FILES.single })
    const blob = await (await fetch(url)).blob()
    const types = { flash_attn: false, cache_type_k: 'f16', cache_type_v: 'f16' } as const
    await bare.loadModel([blob], { n_ctx: CONTEXT, n_batch: BATCH_TOKENS, n_threads: 1, ...types })
    return { modelBytes: info.sizeBytes, engine: info.profile.engine }
  },
  own: async ({ prompt, tokens }) => {
    const answering = loaded(model)
    await using sequence = await answering.openSequence()
    const ids = await answering.tokenize(prompt)
    let top = (await sequence.prefill(ids)).at(-1)
    const startedMs = performance.now()
    for (let t = 0; t < tokens; t++) {
      top = await sequence.step(sampleToken(loaded(top), SEED, t, 1))
    }
    return (performance.now() - startedMs) / tokens
  },
  bare: async ({ prompt, tokens }) => {
    const llama = loaded(bare)
    await llama.kvClear()
    await llama.samplingInit(SAMPLING)
    await llama.decode(await llama.tokenize(prompt, false), {})
    const startedMs = performance.now()
    for (let t = 0; t < tokens; t++) {
      const { token } = await llama.samplingSample()
      await llama.samplingAccept([token])
      await llama.decode([token], {})
    }
    return (performance.now() - startedMs) / tokens
  },
}
Object.assign(globalThis, { testPage })
