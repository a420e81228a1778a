import {
  type Model,
  type ModelInfo,
  type Sequence,
  TOP_LOGITS,
  type TopLogits,
} from '@freehold/core/engine/engine'
import { createFedSequence, requireIds } from '@freehold/core/engine/fed-sequence'
import { requireTensors } from '@freehold/core/engine/require-tensors'
import { createSlots } from '@freehold/core/engine/slots'
import { EngineError } from '@freehold/core/errors'
import type { EngineProcess } from './engine-process.ts'
import type { PackedLogits } from './protocol.ts'

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

  /** @param sequence its number in the child */
  const sequenceOf = (sequence: number): Sequence =>
    createFedSequence({
      contextTokens: info.contextTokens,
      vocabSize: info.vocabSize,
      feed: (ids, logitsFrom, onSlice) => {
        const params = { sequence, ids: Uint32Array.from(ids), logitsFrom }
        return process.call('feed', params, ({ done, length, logits }) =>
          onSlice({
            done,
            length,
            get positions() {
              return logits === null ? [] : unpack(logits)
            },
          }),
        )
      },
      close: async () => {
        await process.call('close', { sequence }).result.catch(() => {})
        slots.give(sequence)
      },
    })

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
      requireTensors(sequences === null)
      const sequence = await slots.take(init.signal)
      try {
        await process.call('open', { sequence }).result
      } catch (error) {
        slots.give(sequence)
        throw error
      }
      return sequenceOf(sequence)
    },
    async [Symbol.asyncDispose]() {
      slots.close(new EngineError({ what: 'the model was closed' }))
      await process[Symbol.asyncDispose]()
    },
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
