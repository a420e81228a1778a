import type { Model } from '@freehold/core/engine/engine'
import type { TextGenerator } from './generation.ts'

/** A model in memory, with what generates text with it. */
export interface ServedModel extends AsyncDisposable {
  readonly model: Model
  readonly generator: TextGenerator
  /** Ids of a text to embed, with the begin and end tokens that the model wants around it. */
  idsToEmbed(text: string): Promise<number[]>
  /** What it takes of a GPU's own memory; 0 without, and where a GPU shares the main memory. */
  readonly gpuBytes: number
}

export interface LoadServedInit {
  /** Tokens of context for each text; undefined: what fits. */
  contextTokens: number | undefined
  /** Texts at once. */
  parallel: number
  signal: AbortSignal
}

/** Loads a model. @throws ModelError, EngineError */
export type LoadServed = (source: string, init: LoadServedInit) => Promise<ServedModel>
