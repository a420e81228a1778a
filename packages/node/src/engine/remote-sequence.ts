import {
  type PrefillInit,
  type Sequence,
  TOP_LOGITS,
  type TopLogits,
} from '@freehold/core/engine/engine'
import { EngineError } from '@freehold/core/errors'
import type { EngineProcess } from './engine-process.ts'
import type { PackedLogits } from './protocol.ts'

export interface RemoteSequenceInit {
  process: EngineProcess
  /** Number of the sequence in the child. */
  sequence: number
  contextTokens: number
  vocabSize: number
  /** Called when the sequence is closed and its number free. */
  onClosed: () => void
}

/** A sequence whose tokens are taken in by the child. Overlapping calls wait for each other. */
export function createRemoteSequence(init: RemoteSequenceInit): Sequence {
  const { process, sequence } = init
  let length = 0
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
  ): Promise<TopLogits[]> {
    const { signal, onProgress } = feedInit
    await tail
    signal?.throwIfAborted()
    check(ids)
    if (ids.length === 0) return []
    const positions: TopLogits[] = []
    const stopped = Promise.withResolvers<never>()
    const stop = (reason: unknown) => {
      call.cancel()
      stopped.reject(reason)
    }
    const call = process.call(
      'feed',
      { sequence, ids: Uint32Array.from(ids), logitsFrom },
      (slice) => {
        length = slice.length
        try {
          if (slice.logits !== null) positions.push(...unpack(slice.logits))
          if (!signal?.aborted) onProgress?.(slice.done)
        } catch (error) {
          stop(error)
        }
      },
    )
    tail = call.result.catch(() => {})
    const onAbort = () => stop(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([call.result, stopped.promise])
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
    async [Symbol.asyncDispose]() {
      isClosed = true
      closing ??= (async () => {
        await tail
        await process.call('close', { sequence }).result.catch(() => {})
        init.onClosed()
      })()
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

function unpack(packed: PackedLogits): TopLogits[] {
  const width = packed.ids.length / packed.count
  if (width > TOP_LOGITS) throw new EngineError({ what: 'the engine gave too many logits' })
  return Array.from({ length: packed.count }, (_, index) => ({
    ids: packed.ids.subarray(index * width, (index + 1) * width),
    logits: packed.logits.subarray(index * width, (index + 1) * width),
  }))
}
