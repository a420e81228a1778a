import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { EngineError } from '@freehold/core/errors'
import { collectLines } from './collect-lines.ts'
import { forkChild } from './fork-child.ts'

/** Of the original, so many of the likeliest tokens are compared one by one, the rest as one. */
export const COMPARED = 64

export interface MeasureRequest {
  path: string
  threads: number
  text: string
  /** Of the text, at most so many. */
  maxTokens: number
  /** The original's: the same tokens in the same stretches, and which logits to give. */
  chunks: Uint32Array[] | null
  ids: Uint32Array | null
}

/** What a model says about a text. A position is a token of a stretch that has one before it. */
export interface Measured {
  /** The text's token ids, in stretches that each begin anew. */
  chunks: Uint32Array[]
  /** How many `ids` and `logits` each position has. */
  width: number
  ids: Uint32Array
  logits: Float32Array
  /** Logarithm of the sum of e^logit over the whole vocabulary, for each position. */
  logSums: Float64Array
  /** Logit of the token that the text goes on with. */
  nextLogits: Float64Array
  /** The model's own first choice. */
  topIds: Uint32Array
  /** One text at a time, without what Freehold adds. */
  tokensPerSecond: number
}

export type MeasureReply = { done: number; of: number } | { measured: Measured } | { why: string }

export interface MeasureInit {
  text: string
  /** @default 512 */
  maxTokens?: number | undefined
  /** @default all cores but one */
  threads?: number | undefined
  /** Gives the logits of the tokens that this one found likeliest, over the same stretches. */
  original?: Measured | undefined
  onProgress?: ((done: number, of: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Has a model predict each token of a text, in a child process of its own.
 * @throws EngineError when it cannot; the signal's reason when aborted
 */
export async function measureModel(path: string, init: MeasureInit): Promise<Measured> {
  init.signal?.throwIfAborted()
  const child = forkChild('measure-child')
  const errors = collectLines(child.stderr, () => {})
  child.stdout?.resume()
  const { promise, resolve: settle } = Promise.withResolvers<
    { measured: Measured } | { why: string }
  >()
  const onAbort = () => child.kill('SIGKILL')
  child.on('message', (reply: MeasureReply) => {
    if ('done' in reply) init.onProgress?.(reply.done, reply.of)
    else settle(reply)
  })
  child.on('error', (error) => settle({ why: error.message }))
  child.on('exit', (code, signal) => {
    void errors.ended.then(() => {
      const how = signal ?? `exit status ${code}`
      settle({ why: [how, errors.last()].filter((text) => text !== '').join(' – ') })
    })
  })
  init.signal?.addEventListener('abort', onAbort, { once: true })
  const request: MeasureRequest = {
    path: resolve(path),
    threads: init.threads ?? Math.max(1, availableParallelism() - 1),
    text: init.text,
    maxTokens: init.maxTokens ?? 512,
    chunks: init.original?.chunks ?? null,
    ids: init.original?.ids ?? null,
  }
  child.send(request, () => {})
  try {
    const outcome = await promise
    init.signal?.throwIfAborted()
    if ('measured' in outcome) return outcome.measured
    throw new EngineError({ what: `the model ${path} could not be measured`, why: outcome.why })
  } finally {
    init.signal?.removeEventListener('abort', onAbort)
    if (child.connected) child.disconnect()
  }
}
