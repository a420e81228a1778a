import type { LlamaEngine } from '../engine/llama-engine.ts'
import { readGguf } from '../engine/read-gguf.ts'
import { estimateNeeds } from '../models/fit.ts'
import type { ManagedModel } from './model-manager.ts'
import type { NeedsInit } from './model-pool.ts'
import type { LoadServed } from './served-model.ts'
import { createTextGenerator } from './text-generator.ts'

/** Context of a text where nobody asks for more; the model's own if that is smaller. */
const DEFAULT_CONTEXT_TOKENS = 4_096

/** Loads models with llama.cpp, each in a process of its own. @param prefixes keeps their texts in this folder */
export function loadWith(engine: LlamaEngine, prefixes?: string): LoadServed {
  return async (source, { contextTokens = DEFAULT_CONTEXT_TOKENS, parallel, signal }) => {
    const model = await engine.load(source, {
      contextTokens,
      sequences: parallel,
      signal,
      prefixes,
    })
    const generator = createTextGenerator(model)
    return {
      model,
      generator,
      idsToEmbed: (text) => model.idsToEmbed(text),
      gpuBytes: model.gpuBytes,
      [Symbol.asyncDispose]: async () => {
        await generator[Symbol.asyncDispose]()
        await model[Symbol.asyncDispose]()
      },
    }
  }
}

/**
 * Bytes that a model takes when it is loaded by `loadWith`: weights, KV cache of all texts at once,
 * compute buffers and the process.
 */
export async function needsOf(model: ManagedModel, init: NeedsInit): Promise<number> {
  const { contextTokens = DEFAULT_CONTEXT_TOKENS, parallel: sequences } = init
  try {
    const { header } = await readGguf(model.source)
    const { totalBytes, weightsBytes } = estimateNeeds(header, { contextTokens, sequences })
    // The header of the first of several files knows its own tensors only.
    return totalBytes - weightsBytes + Math.max(weightsBytes, model.sizeBytes)
  } catch {
    // Loading says what is wrong with it.
    return model.sizeBytes
  }
}
