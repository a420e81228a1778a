/**
 * What an engine is to Freehold. `node` implements it with llama.cpp in a child process, `web` with
 * llama.cpp in WebAssembly; every implementation must pass `engine.compliance.ts`.
 */

/** How many of the highest raw logits an engine returns for a position. */
export const TOP_LOGITS = 64

/** The numbers that the text of a lender depends on; part of an offer and of each receipt. */
export interface Profile {
  /** Engine and its build, such as `llama.cpp v0.5.0 (node-llama-cpp 3.22.1)`. */
  readonly engine: string
  readonly backend: 'cpu' | 'metal' | 'cuda' | 'vulkan' | 'wasm' | 'webgpu'
  /** Instruction set of the CPU back-end (`haswell`, `icelake`, …) or the GPU's family. */
  readonly isa: string
  readonly kvType: 'f16' | 'f32' | 'q8_0'
  readonly flashAttn: boolean
  readonly relaxedSimd: boolean
}

/** What is known about a loaded model. */
export interface ModelInfo {
  /** SHA-256 of the GGUF’s bytes (of its manifest if it has several files), 64 lower-case hex digits. */
  readonly modelId: string
  /** `general.name` of the GGUF, or its file name. An alias, never an identity. */
  readonly name: string
  readonly architecture: string
  /** e.g. `Q8_0`; empty when the file does not say. */
  readonly quantisation: string
  readonly sizeBytes: number
  readonly vocabSize: number
  /** Tokens that one sequence may hold here; with `vocabOnly`, what the model says of itself. */
  readonly contextTokens: number
  /** `tokenizer.chat_template`; empty when the model has none. */
  readonly chatTemplate: string
  readonly bosText: string
  readonly eosText: string
  /** Token ids that end an answer (end of text, end of turn), ascending. */
  readonly endIds: readonly number[]
  readonly profile: Profile
}

/**
 * The `TOP_LOGITS` highest raw logits of one position (fewer when the vocabulary is smaller),
 * highest first, equal ones by lower id first. One number may be added to all of a position: only
 * their differences mean anything. Both arrays have the same length.
 */
export interface TopLogits {
  readonly ids: Uint32Array
  readonly logits: Float32Array
}

export interface LoadInit {
  /** Tokens of context for each sequence; the model's own limit if it is smaller. @default 2048 */
  contextTokens?: number | undefined
  /** Sequences that can be open at once. @default 4 */
  sequences?: number | undefined
  /**
   * Loads the tokenizer alone, for which a GGUF without tensors suffices: the model can tokenise,
   * detokenise and tell about itself, and opens no sequence. @default false
   */
  vocabOnly?: boolean | undefined
  signal?: AbortSignal | undefined
}

export interface PrefillInit {
  /** Index into `ids` from which logits are wanted; logits follow each id from there on. @default the last id */
  logitsFrom?: number | undefined
  /** Called as ids are taken in, with how many of `ids` are done. */
  onProgress?: ((done: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** One growing run of tokens with its KV cache. Calls on one sequence must not overlap. */
export interface Sequence extends AsyncDisposable {
  /** Ids taken in so far. */
  readonly length: number
  /** Takes `ids` in, in one or few batches. @returns the logits after each id from `logitsFrom` on */
  prefill(ids: readonly number[], init?: PrefillInit): Promise<TopLogits[]>
  /** Takes one id in. Steps of several sequences that wait at the same time share one batch. */
  step(id: number, init?: { signal?: AbortSignal | undefined }): Promise<TopLogits>
}

/** A model in memory. */
export interface Model extends AsyncDisposable {
  readonly info: ModelInfo
  /** @param init.special whether the text of control tokens stands for the tokens themselves */
  tokenize(text: string, init?: { special?: boolean | undefined }): Promise<number[]>
  /** Text of `ids`; control tokens give no text. An unfinished UTF-8 character ends in U+FFFD. */
  detokenize(ids: readonly number[]): Promise<string>
  /** Opens an empty sequence, waiting while all are taken. @throws ModelError with `vocabOnly` */
  openSequence(init?: { signal?: AbortSignal | undefined }): Promise<Sequence>
  /** Resolves once what computes has answered; absent where that is this very thread. */
  ping?(): Promise<void>
}

export interface Engine extends AsyncDisposable {
  /**
   * Loads a model.
   * @param source where the platform finds the bytes (on Node: a path)
   * @throws ModelError when the bytes are no loadable GGUF; EngineError when the engine itself died
   */
  load(source: string, init?: LoadInit): Promise<Model>
}
