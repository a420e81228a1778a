import type { Profile } from '@freehold/core/engine/engine'
import type { LlamaEngine } from '../engine/llama-engine.ts'
import { readGguf } from '../engine/read-gguf.ts'
import { estimateNeeds } from '../models/fit.ts'
import type { ManagedModel } from './model-manager.ts'
import type { NeedsInit } from './model-pool.ts'
import type { LoadServed } from './served-model.ts'
import { createTextGenerator } from './text-generator.ts'

/** Context of a text where nobody asks for more; the model's own if that is smaller. */
const DEFAULT_CONTEXT_TOKENS = 4_096

/** How attention is computed, and what it keeps. */
export interface AttentionInit {
  /** @default false */
  flashAttn?: boolean | undefined
  /** Type of keys and values; `q8_0` takes half the memory and needs flash attention. @default 'f16' */
  kvType?: Profile['kvType'] | undefined
}

export interface LoadWithInit extends AttentionInit {
  /** Keeps texts of models that are not loaded in this folder. @default nowhere */
  prefixes?: string | undefined
}

/** Bytes of one number in the KV cache; 32 of q8_0 share a scale. */
const KV_BYTES: Readonly<Record<Profile['kvType'], number>> = { f32: 4, f16: 2, q8_0: 34 / 32 }

/** Loads models with llama.cpp, each in a process of its own. */
export function loadWith(engine: LlamaEngine, init: LoadWithInit = {}): LoadServed {
  return async (source, { contextTokens = DEFAULT_CONTEXT_TOKENS, parallel, signal }) => {
    const model = await engine.load(source, {
      contextTokens,
      sequences: parallel,
      signal,
      ...init,
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
export async function needsOf(
  model: ManagedModel,
  init: NeedsInit,
  { flashAttn, kvType = 'f16' }: AttentionInit = {},
): Promise<number> {
  const { contextTokens = DEFAULT_CONTEXT_TOKENS, parallel: sequences } = init
  try {
    const { header } = await readGguf(model.source)
    const { totalBytes, weightsBytes } = estimateNeeds(header, {
      ...{ contextTokens, sequences, flashAttn },
      kvBytes: KV_BYTES[kvType],
    })
    // The header of the first of several files knows its own tensors only.
    return totalBytes - weightsBytes + Math.max(weightsBytes, model.sizeBytes)
  } catch {
    // Loading says what is wrong with it.
    return model.sizeBytes
  }
}
