/**
 * What a local runner offers for one text: between the engine, which computes it, and the HTTP
 * interface, which asks for it. Answers that may be audited never go this way: they are drawn by the
 * seeded sampler of core.
 */

/** How the next token is drawn from the model's logits, in this order. */
export interface LocalSampling {
  /** Lower logits of tokens of the last `penaltyTokens`: as in llama.cpp. 1 and 0 leave them alone. */
  repeatPenalty: number
  presencePenalty: number
  frequencyPenalty: number
  penaltyTokens: number
  /** Added to the logits of these ids; -100 and less bans, 100 and more forces. */
  logitBias: ReadonlyMap<number, number>
  /** 0 turns it off. */
  topK: number
  topP: number
  minP: number
  /** 0 is greedy. */
  temperature: number
  /** The same seed, prompt and build give the same text. @default random */
  seed?: number | undefined
}

/** What the text must look like. */
export type TextFormat =
  | { kind: 'json' }
  /** A JSON schema. @throws UsageError, before anything is computed, for what it cannot express */
  | { kind: 'schema'; schema: object }
  /** GBNF, llama.cpp's grammar notation. */
  | { kind: 'grammar'; text: string }

export interface GenerationInit {
  promptIds: readonly number[]
  maxTokens: number
  sampling: LocalSampling
  /** The text ends before any of these, and does not contain it. */
  stop: readonly string[]
  format?: TextFormat | undefined
  /** Log-probabilities of each token and of so many of its rivals, 0 to 20. */
  topLogprobs?: number | undefined
  signal?: AbortSignal | undefined
}

export interface TokenLogprob {
  id: number
  /** Of this token alone: an unfinished character is in here only. */
  bytes: Uint8Array
  /** Natural logarithm, over what the model gives before sampling is narrowed. */
  logprob: number
}

export interface GeneratedPiece {
  /** Certain text: never half a character, never the start of a stop text. */
  text: string
  ids: readonly number[]
  logprobs: readonly (TokenLogprob & { top: readonly TokenLogprob[] })[] | null
}

export interface GenerationEnd {
  finish: 'stop' | 'length'
  /** Which of `stop` ended it. */
  stopText: string | null
  promptTokens: number
  /** Of these, how many were still there from an earlier text. */
  cachedTokens: number
  tokens: number
  promptMs: number
  generateMs: number
}

/** Generates texts and embeddings with one loaded model; many at once share batches. */
export interface TextGenerator extends AsyncDisposable {
  /**
   * @throws UsageError when prompt and answer do not fit into the context: nothing is ever cut off
   * silently
   */
  generate(init: GenerationInit): AsyncGenerator<GeneratedPiece, GenerationEnd>
  /** One vector of length 1 for each list of ids. @throws ModelError when the model gives none */
  embed(
    inputs: readonly (readonly number[])[],
    init?: { signal?: AbortSignal | undefined },
  ): Promise<Float32Array[]>
}
