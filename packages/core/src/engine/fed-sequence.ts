import { EngineError } from '../errors.ts'
import type { PrefillInit, Sequence, TopLogits } from './engine.ts'

/** A part of a feed that is done. */
export interface FedSlice<Position extends TopLogits = TopLogits> {
  /** How many of the feed's ids are taken in. */
  done: number
  /** Ids that the sequence holds now. */
  length: number
  /** Logits of the positions in this part for which they were wanted. */
  positions: readonly Position[]
}

/** Ids on their way into a sequence. */
export interface Feeding {
  /** Resolves when all slices were told; rejected when it was cancelled before. */
  readonly result: Promise<unknown>
  /** Asks to stop after the part that is being computed. */
  cancel(): void
}

export interface FedSequenceInit<Position extends TopLogits = TopLogits> {
  contextTokens: number
  vocabSize: number
  /** Ids that it holds already. @default 0 */
  heldTokens?: number | undefined
  /**
   * Takes ids in, slice by slice; logits follow each id from index `logitsFrom` on.
   * @param at how many ids it holds before; what it has beyond them is forgotten
   */
  feed(
    ids: readonly number[],
    logitsFrom: number,
    onSlice: (slice: FedSlice<Position>) => void,
    at: number,
  ): Feeding
  /** Frees what the sequence holds; called once, when nothing is being fed. */
  close(): Promise<void>
}

export interface FedSequence<Position extends TopLogits = TopLogits> extends Sequence {
  prefill(ids: readonly number[], init?: PrefillInit): Promise<Position[]>
  step(id: number, init?: { signal?: AbortSignal | undefined }): Promise<Position>
  /** Forgets all ids but the first `length`. Call it while nothing is being fed. */
  cutTo(length: number): void
}

/**
 * A sequence whose tokens are taken in elsewhere: in a child process or a worker. It checks what is
 * fed, so that native code never sees what it would die of. Overlapping calls wait for each other.
 */
export function createFedSequence<Position extends TopLogits = TopLogits>(
  init: FedSequenceInit<Position>,
): FedSequence<Position> {
  let length = init.heldTokens ?? 0
  let isClosed = false
  let tail: Promise<unknown> = Promise.resolve()
  let closing: Promise<void> | undefined

  function check(ids: readonly number[]): void {
    if (isClosed) throw new EngineError({ what: 'the sequence is closed' })
    requireIds(ids, init.vocabSize)
    if (length + ids.length > init.contextTokens) {
      throw new EngineError({
        what: 'the context is full',
        why: `${length} tokens are in, ${ids.length} more would pass the ${init.contextTokens} of this sequence`,
        next: 'Shorten the prompt or the answer, or load the model with more contextTokens.',
      })
    }
  }

  async function feed(
    ids: readonly number[],
    logitsFrom: number,
    feedInit: PrefillInit,
  ): Promise<Position[]> {
    const { signal, onProgress } = feedInit
    await tail
    signal?.throwIfAborted()
    check(ids)
    if (ids.length === 0) return []
    const positions: Position[] = []
    const stopped = Promise.withResolvers<never>()
    const stop = (reason: unknown) => {
      feeding.cancel()
      stopped.reject(reason)
    }
    const onSlice = (slice: FedSlice<Position>) => {
      length = slice.length
      try {
        positions.push(...slice.positions)
        if (!signal?.aborted) onProgress?.(slice.done)
      } catch (error) {
        stop(error)
      }
    }
    const feeding = init.feed(ids, logitsFrom, onSlice, length)
    tail = feeding.result.catch(() => {})
    const onAbort = () => stop(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([feeding.result, stopped.promise])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    return positions
  }

  return {
    get length() {
      return length
    },
    async prefill(ids, prefillInit = {}) {
      const logitsFrom = prefillInit.logitsFrom ?? Math.max(0, ids.length - 1)
      if (!Number.isInteger(logitsFrom) || logitsFrom < 0 || logitsFrom > ids.length) {
        throw new EngineError({ what: `logitsFrom is ${logitsFrom} for ${ids.length} ids` })
      }
      return feed(ids, logitsFrom, prefillInit)
    },
    async step(id, stepInit = {}) {
      const [position] = await feed([id], 0, stepInit)
      if (position === undefined) throw new EngineError({ what: 'the engine gave no logits' })
      return position
    },
    cutTo(to) {
      length = Math.min(length, to)
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      closing ??= tail.then(() => init.close())
      await closing
    },
  }
}

/** @throws EngineError when one of `ids` is no token of the vocabulary; native code would abort */
export function requireIds(ids: readonly number[], vocabSize: number): void {
  for (const id of ids) {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue
    throw new EngineError({
      what: `${id} is no token of this model`,
      why: `its vocabulary has the ids 0 to ${vocabSize - 1}`,
    })
  }
}
