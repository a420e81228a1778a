import { orAborted } from '@freehold/core/abort'
import { describeGguf, requireSoundVocabulary } from '@freehold/core/engine/describe-gguf'
import type { Engine, LoadInit, Model } from '@freehold/core/engine/engine'
import { loadCounts } from '@freehold/core/engine/load-counts'
import { EngineError, ModelError } from '@freehold/core/errors'
import { Wllama } from '@wllama/wllama/esm/index.js'
import { version } from '@wllama/wllama/package.json'
import { hollowGguf } from './hollow-gguf.ts'
import { readModel } from './read-model.ts'
import type { ReadSource } from './read-source.ts'
import { readVocabulary } from './vocabulary.ts'
import { BATCH_TOKENS, createWllamaModel } from './wllama-model.ts'
import { createWllamaWorker, type WllamaWorker, type WllamaWorkerInit } from './wllama-worker.ts'

/** llama.cpp rounds the context up to a multiple of this. */
const CONTEXT_PAD = 256

export interface WllamaEngineInit extends WllamaWorkerInit {
  /** Gives a source's bytes. @default fetches it as a URL */
  read?: ReadSource | undefined
  /** More than one asks for a page that is cross-origin isolated. @default half of the cores */
  threads?: number | undefined
}

/**
 * The engine of browsers: llama.cpp in WebAssembly, in a worker for each loaded model. One model
 * computes for one sequence at a time; see `wllama-model.ts` for what that costs.
 */
export function createWllamaEngine(init: WllamaEngineInit): Engine {
  const open = new Set<AsyncDisposable>()
  let isClosed = false

  function requireOpen(): void {
    if (isClosed) throw new EngineError({ what: 'the engine is closed' })
  }

  async function load(source: string, loadInit: LoadInit = {}): Promise<Model> {
    requireOpen()
    const { signal } = loadInit
    signal?.throwIfAborted()
    const counts = loadCounts(loadInit)
    const { blob, header, modelId } = await readModel(source, { read: init.read, signal })
    requireSoundVocabulary(header)
    const described = describeGguf(header, fileNameOf(source))
    requireOpen()
    const worker = createWllamaWorker(init)
    open.add(worker)
    worker.onEnd(() => open.delete(worker))
    const { vocabOnly = false } = loadInit
    const contextTokens = vocabOnly
      ? described.contextTokens
      : Math.min(counts.contextTokens, described.contextTokens)
    const whole = vocabOnly ? hollowGguf(header, described.vocabSize) : blob
    const config = {
      n_ctx: vocabOnly ? CONTEXT_PAD : Math.ceil(contextTokens / CONTEXT_PAD) * CONTEXT_PAD,
      n_batch: BATCH_TOKENS,
      flash_attn: false,
      cache_type_k: 'f16',
      cache_type_v: 'f16',
      ...(init.threads === undefined ? {} : { n_threads: init.threads }),
    } as const
    try {
      await orAborted(loadInto(worker, whole, config), signal)
      const vocabulary = readVocabulary(header)
      const found = await worker.call(async (llama) => llama.getLoadedContextInfo())
      const endIds = new Set(found.list_tokens_eog)
      for (const id of [found.token_eos, found.token_eot]) if (id >= 0) endIds.add(id)
      const info = {
        ...described,
        modelId,
        sizeBytes: blob.size,
        contextTokens,
        bosText: vocabulary.textOf(found.token_bos),
        eosText: vocabulary.textOf(found.token_eos),
        endIds: [...endIds].sort((a, b) => a - b),
        profile: {
          engine: `llama.cpp ${Wllama.getLibllamaVersion()} (wllama ${version})`,
          backend: 'wasm',
          isa: 'simd128',
          kvType: 'f16',
          flashAttn: false,
          relaxedSimd: false,
        },
      } as const
      const sequences = vocabOnly ? null : counts.sequences
      return createWllamaModel(worker, info, { sequences, vocabulary })
    } catch (error) {
      // A worker that still loads ends when it is done: the caller does not wait for that.
      void worker[Symbol.asyncDispose]()
      throw error
    }
  }

  return {
    load,
    async [Symbol.asyncDispose]() {
      isClosed = true
      await Promise.all([...open].map((worker) => worker[Symbol.asyncDispose]()))
    },
  }
}

async function loadInto(
  worker: WllamaWorker,
  ...[blob, config]: Parameters<WllamaWorker['load']>
): Promise<void> {
  try {
    await worker.load(blob, config)
  } catch (cause) {
    if (cause instanceof EngineError) throw cause
    throw new ModelError({
      what: 'the model cannot be loaded',
      why: worker.lastErrors() || (cause instanceof Error ? cause.message : String(cause)),
      next: 'Choose another model.',
      cause,
    })
  }
}

function fileNameOf(url: string): string {
  return new URL(url, 'http://localhost').pathname.split('/').at(-1) ?? ''
}
