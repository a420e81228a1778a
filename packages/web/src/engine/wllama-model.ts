import { type Model, type ModelInfo, TOP_LOGITS } from '@freehold/core/engine/engine'
import { createFedSequence, type FedSlice, requireIds } from '@freehold/core/engine/fed-sequence'
import { requireTensors } from '@freehold/core/engine/require-tensors'
import { createSlots } from '@freehold/core/engine/slots'
import { EngineError } from '@freehold/core/errors'
import { createInTurn } from '@freehold/core/in-turn'
import { topLogits } from './top-logits.ts'
import type { Vocabulary } from './vocabulary.ts'
import type { WllamaWorker } from './wllama-worker.ts'

/** Ids in one call of llama.cpp: abort and progress come between two of them. */
export const BATCH_TOKENS = 128

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * A model in a worker. wllama has one sequence, and logits of the last id of a batch only. So
 * sequences take turns, call by call: who comes back finds its tokens taken in again, and a batch of
 * several sequences does not exist. Where logits of many positions are wanted, as in an audit, the ids
 * go in one by one.
 * @param init.sequences how many can be open at once; null: only its vocabulary is loaded
 */
export function createWllamaModel(
  worker: WllamaWorker,
  info: ModelInfo,
  init: { sequences: number | null; vocabulary: Vocabulary },
): Model {
  const { sequences, vocabulary } = init
  const slots = createSlots(sequences ?? 0)
  worker.onEnd((reason) => slots.close(reason))
  const wanted = Math.min(TOP_LOGITS, info.vocabSize)
  const takeTurn = createInTurn()
  /** The ids of the sequence whose tokens llama.cpp holds; undefined when that is unsure. */
  let resident: number[] | undefined

  async function decode(ids: readonly number[], skipLogits: boolean): Promise<void> {
    await worker.call((llama) => llama.decode([...ids], { skipLogits }))
  }

  async function makeResident(taken: number[]): Promise<void> {
    if (resident === taken) return
    resident = undefined
    await worker.call((llama) => llama.kvClear())
    for (let at = 0; at < taken.length; at += BATCH_TOKENS) {
      await decode(taken.slice(at, at + BATCH_TOKENS), true)
    }
    resident = taken
  }

  /** Takes in the ids from `done` on that one batch may hold. @returns how many are done then */
  async function takePart(
    taken: number[],
    ids: readonly number[],
    done: number,
    logitsFrom: number,
  ): Promise<FedSlice> {
    await makeResident(taken)
    // The batch with the first wanted logits ends with their id; after it each id is one.
    const last = Math.max(done, logitsFrom)
    const part = ids.slice(done, Math.min(last + 1, done + BATCH_TOKENS))
    const hasLogits = done + part.length > logitsFrom
    resident = undefined
    await decode(part, !hasLogits)
    const found = hasLogits ? await worker.call((llama) => llama.getLogits(wanted)) : undefined
    resident = taken
    taken.push(...part)
    const positions = found === undefined ? [] : [topLogits(found)]
    return { done: done + part.length, length: taken.length, positions }
  }

  function feedTo(taken: number[]) {
    return (
      ids: readonly number[],
      logitsFrom: number,
      onSlice: (slice: FedSlice) => void,
    ): { result: Promise<void>; cancel(): void } => {
      let isCancelled = false
      const result = takeTurn(async () => {
        for (let done = 0; done < ids.length; ) {
          if (isCancelled) throw new EngineError({ what: 'the call was cancelled' })
          const slice = await takePart(taken, ids, done, logitsFrom)
          done = slice.done
          onSlice(slice)
        }
      })
      return {
        result,
        cancel: () => {
          isCancelled = true
        },
      }
    }
  }

  return {
    info,
    tokenize: (text, { special = false } = {}) =>
      worker.call((llama) => llama.tokenize(text, special)),
    detokenize: async (ids) => {
      requireIds(ids, info.vocabSize)
      const shown = ids.filter((id) => !vocabulary.isControl(id) && !info.endIds.includes(id))
      const bytes = await worker.call((llama) => llama.detokenize(shown))
      const text = UTF8.decode(bytes)
      return vocabulary.addsSpace && shown[0] === ids[0] ? text.replace(/^ /, '') : text
    },
    openSequence: async ({ signal } = {}) => {
      requireTensors(sequences === null)
      const slot = await slots.take(signal)
      const taken: number[] = []
      return createFedSequence({
        contextTokens: info.contextTokens,
        vocabSize: info.vocabSize,
        feed: feedTo(taken),
        close: async () => slots.give(slot),
      })
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}
