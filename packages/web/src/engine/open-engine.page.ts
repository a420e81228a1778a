/** A page for benchmarks: the engine of browsers, asked from the Node side. */
import type { Model, Sequence } from '@freehold/core/engine/engine'
import type { EnginePage } from './engine-page.fixture.ts'
import { WASM_FILES } from './wasm-files.ts'
import { createWllamaEngine } from './wllama-engine.ts'

let model: Model | undefined
const sequences = new Map<number, Sequence>()

function loaded(): Model {
  if (model === undefined) throw new Error('the page has loaded no model')
  return model
}

const testPage: EnginePage = {
  load: async (url) => {
    const engine = createWllamaEngine({ wasm: WASM_FILES, threads: 1 })
    model = await engine.load(url, { sequences: 1 })
    return model.info
  },
  tokenize: async (text, special) => loaded().tokenize(text, { special }),
  detokenize: async (ids) => loaded().detokenize(ids),
  open: async (sequence) => {
    sequences.set(sequence, await loaded().openSequence())
  },
  feed: async (sequence, ids, logitsFrom) => {
    const tops = (await sequences.get(sequence)?.prefill(ids, { logitsFrom })) ?? []
    return tops.map((top) => ({ ids: [...top.ids], logits: [...top.logits] }))
  },
  close: async (sequence) => {
    await sequences.get(sequence)?.[Symbol.asyncDispose]()
    sequences.delete(sequence)
  },
}
Object.assign(globalThis, { testPage })
