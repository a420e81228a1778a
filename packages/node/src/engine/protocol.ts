/** What the engine's parent and its child process say to each other over Node's IPC. */
import type { Profile } from '@freehold/core/engine/engine'
import type { DrawRules } from './draw-tokens.ts'
import type { TextLogits } from './text-sequences.ts'

/** Tells the child what to load and how. */
export interface LoadParams {
  path: string
  contextTokens: number
  sequences: number
  flashAttn: boolean
  kvType: Profile['kvType']
  /** Threads for one batch. */
  threads: number
  useGpu: boolean
  vocabOnly: boolean
  /** Sends all that llama.cpp says as `log` replies, not only its errors. */
  isVerbose: boolean
}

/** What only native code knows about a model that it has loaded. */
export interface LoadedParts {
  /** null: without context. */
  contextTokens: number | null
  bosText: string
  eosText: string
  endIds: number[]
  backend: 'cpu' | 'metal' | 'cuda' | 'vulkan'
  flashAttn: boolean
  /** Whether a sequence can forget its last ids and go on. */
  canRewind: boolean
  isa: string
  /** What it takes of a GPU's own memory. */
  gpuBytes: number
  /** Release of llama.cpp, such as `v0.5.0`. */
  release: string
  /** Version of node-llama-cpp. */
  moduleVersion: string
}

/** What the candidates of a text's positions are; see `native-candidates.ts`. */
export interface TextShape {
  /** Ids from this position on are the answer, which the grammar follows. */
  promptTokens: number
  /** GBNF; null allows everything. */
  grammar: string | null
  /** Added to the logits of these ids before the highest are taken. */
  biasIds: Uint32Array
  biases: Float32Array
  /** Wants `logSums`. */
  isSummed: boolean
}

/** The operations of the child, with what each takes and gives. */
export interface Operations {
  load: { params: LoadParams; result: LoadedParts }
  /** Answered at once, whatever is computed. */
  ping: { params: object; result: null }
  tokenize: { params: { text: string; special: boolean }; result: Uint32Array }
  detokenize: { params: { ids: Uint32Array }; result: string }
  /** Opens a sequence without ids. */
  open: { params: { sequence: number }; result: null }
  /** Opens a sequence for a text of one's own, with what an earlier text left in it. */
  openText: { params: { sequence: number; shape: TextShape }; result: null }
  /** Ends a text; what was taken in stays for the next `openText`. */
  closeText: { params: { sequence: number }; result: null }
  /** Writes what an idle sequence holds over a file. Native code does: JavaScript here may not. */
  save: { params: { sequence: number; path: string }; result: null }
  close: { params: { sequence: number }; result: null }
  /**
   * Takes ids in after the first `at` of the sequence, which forgets the others; logits follow each
   * id from index `logitsFrom` on. Its last slice ends it. With `copy`, the first `at` ids are those,
   * copied from another sequence or a file if they are still there, and computed otherwise.
   */
  feed: {
    params: {
      sequence: number
      ids: Uint32Array
      logitsFrom: number
      at: number
      copy?: { from: number | string; ids: Uint32Array } | undefined
    }
    result: null
  }
  /**
   * Draws the tokens of an answer after the first `at` ids of the sequence and tells each as it is
   * drawn. Ends by itself or by `cancel`.
   * @returns the ids that the sequence holds then after its first `at`
   */
  draw: {
    params: DrawRules & {
      sequence: number
      at: number
      /** Of the position after them. */
      top: PackedLogits
      /** Takes in more than one token at once, where the text may go on as it did before. */
      isGuessing: boolean
      /** Tells with each token what it was drawn from. */
      isShown: boolean
    }
    result: Uint32Array
  }
  /** Ids of a text as llama.cpp embeds it: with the tokens that the model wants around it. */
  idsToEmbed: { params: { text: string }; result: Uint32Array }
  /** One vector for all `ids`, of any length. */
  embed: { params: { ids: Uint32Array }; result: Float32Array }
}

export type Operation = keyof Operations

/** Everything that the parent sends; `cancel` needs no reply of its own. */
export type Request =
  | { [Op in Operation]: { op: Op; id: number } & Operations[Op]['params'] }[Operation]
  | { op: 'cancel'; id: number }

/** Top logits of positions one after the other. */
export interface PackedLogits {
  /** How many each position has: a grammar leaves fewer of some. */
  widths: Uint32Array
  ids: Uint32Array
  logits: Float32Array
  /** Of each position: the logarithm of the sum of e^logit over the vocabulary, where wanted. */
  logSums?: Float64Array | undefined
}

/** A part of `feed` that is done. */
export interface Slice {
  /** How many of the call's ids are taken in. */
  done: number
  /** Ids that the sequence holds now. */
  length: number
  logits: PackedLogits | null
}

/** A token of `draw`. */
export interface Drawn {
  id: number
  /** It was guessed right, and cost no step of its own. */
  isGuessed: boolean
  finish: 'stop' | 'length' | undefined
  /** What it was drawn from, where that is shown. */
  top: TextLogits | null
}

/** Which error of Freehold a failure becomes in the parent. */
export type FailureKind = 'model' | 'engine' | 'aborted' | 'usage'

export interface Failure {
  kind: FailureKind
  what: string
  why?: string | undefined
  next?: string | undefined
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

export type Reply =
  | { type: 'done'; id: number; result: Operations[Operation]['result'] }
  | { type: 'failed'; id: number; failure: Failure }
  | { type: 'slice'; id: number; slice: Slice }
  | { type: 'drawn'; id: number; drawn: Drawn }
  | { type: 'log'; level: LogLevel; line: string }
