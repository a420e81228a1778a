import type { Model, ModelInfo } from '@freehold/core/engine/engine'
import { EngineError, ModelError } from '@freehold/core/errors'
import type { EngineProcess } from './engine-process.ts'
import { createRemoteSequence, requireIds } from './remote-sequence.ts'
import { createSlots } from './slots.ts'

const NOTHING_COMPUTES = {
  what: 'this model cannot answer here',
  why: 'only its vocabulary is loaded',
  next: 'Borrow the answer, or get the whole model.',
}

/**
 * A model that lives in the child behind `process`, and ends with it.
 * @param sequences how many can be open at once; null: only its vocabulary is loaded
 */
export function createRemoteModel(
  process: EngineProcess,
  info: ModelInfo,
  sequences: number | null,
): Model {
  const slots = createSlots(sequences ?? 0)
  process.onEnd((reason) => slots.close(reason))

  return {
    info,
    async tokenize(text, init = {}) {
      const params = { text, special: init.special ?? false }
      return Array.from(await process.call('tokenize', params).result)
    },
    async detokenize(ids) {
      requireIds(ids, info.vocabSize)
      return process.call('detokenize', { ids: Uint32Array.from(ids) }).result
    },
    async openSequence(init = {}) {
      if (sequences === null) throw new ModelError(NOTHING_COMPUTES)
      const sequence = await slots.take(init.signal)
      try {
        await process.call('open', { sequence }).result
      } catch (error) {
        slots.give(sequence)
        throw error
      }
      return createRemoteSequence({
        process,
        sequence,
        contextTokens: info.contextTokens,
        vocabSize: info.vocabSize,
        onClosed: () => slots.give(sequence),
      })
    },
    async [Symbol.asyncDispose]() {
      slots.close(new EngineError({ what: 'the model was closed' }))
      await process[Symbol.asyncDispose]()
    },
  }
}
