import type { LocalSampling } from '../engine/sample-locally.ts'

/**
 * What a local runner offers for one text: between the engine, which computes it, and the HTTP
 * interface, which asks for it. Answers that may be audited never go this way: they are drawn by the
 * seeded sampler of core.
 */

/** What the text must look like. It is so when it ends with `stop` at an end token. */
export type TextFormat =
  /** A JSON object. */
  | { kind: 'json' }
  /** A JSON schema; see `schema-grammar.ts` for what it may say. */
  | { kind: 'schema'; schema: unknown }
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
  /**
   * Natural logarithm, over the whole vocabulary as the model gives it, before biases and all that
   * follows. Rivals are such as the format allows.
   */
  logprob: number
}

export interface GeneratedPiece {
  /** Certain text: never half a character, never the start of a stop text. */
  text: string
  /** What was drawn since the last piece, without the token that ends the text. */
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
  /** All that were drawn, the token that ends the text included. */
  tokens: number
  /** Of these, how many were guessed from the text before and cost no step of their own. */
  guessedTokens: number
  /** Until the first logits, without waiting for a place. */
  promptMs: number
  generateMs: number
}

/** Generates texts and embeddings with one loaded model; many at once share batches. */
export interface TextGenerator extends AsyncDisposable {
  /**
   * Generates as fast as it can, whether or not its reader keeps up. Ending it early stops the work within one token.
   * @throws UsageError, before anything is computed, when prompt and answer do not fit into the
   * context (nothing is ever cut off silently), for a number out of its range, a grammar that is none
   * and a schema that says what we cannot keep
   */
  generate(init: GenerationInit): AsyncGenerator<GeneratedPiece, GenerationEnd, void>
  /** One vector of length 1 for each list of ids. @throws ModelError when the model gives none */
  embed(
    inputs: readonly (readonly number[])[],
    init?: { signal?: AbortSignal | undefined },
  ): Promise<Float32Array[]>
}
