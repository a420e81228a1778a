import { engineCompliance } from '@freehold/core/engine/engine.compliance'
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
exposeSuites()
