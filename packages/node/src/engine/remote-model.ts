import type { Model, ModelInfo, Sequence } from '@freehold/core/engine/engine'
import { createFedSequence, requireIds } from '@freehold/core/engine/fed-sequence'
import { requireTensors } from '@freehold/core/engine/require-tensors'
import { createSlots } from '@freehold/core/engine/slots'
import { EngineError } from '@freehold/core/errors'
import type { EngineProcess } from './engine-process.ts'
import { unpackLogits } from './pack-logits.ts'
import type { PrefixFiles } from './prefix-files.ts'
import { createTextSequences, type OpenTextInit, type TextSequence } from './text-sequences.ts'

export interface RemoteModel extends Model {
  /** Whether its sequences can forget their last ids; some architectures cannot. */
  readonly canRewind: boolean
  /** Opens a sequence for a text that nobody audits, waiting as `openSequence` does. */
  openText(init: OpenTextInit): Promise<TextSequence>
  /** Ids of a text to embed, with the begin and end tokens that the model wants around it. */
  idsToEmbed(text: string): Promise<number[]>
  /** The vector of exactly these ids, as long as the model makes it. */
  embed(ids: readonly number[]): Promise<Float32Array>
}

export interface RemoteModelInit {
  info: ModelInfo
  /** How many can be open at once; null: only its vocabulary is loaded. */
  sequences: number | null
  canRewind: boolean
  /** Keeps texts while it is not loaded. */
  files?: PrefixFiles | undefined
}

/** A model that lives in the child behind `process`, and ends with it. */
export function createRemoteModel(process: EngineProcess, init: RemoteModelInit): RemoteModel {
  const { info, sequences, canRewind, files } = init
  const slots = createSlots(sequences ?? 0)
  const texts = createTextSequences({ process, info, slots, canRewind, files })
  process.onEnd((reason) => slots.close(reason))

  /** @param sequence its number in the child */
  const sequenceOf = (sequence: number): Sequence =>
    createFedSequence({
      contextTokens: info.contextTokens,
      vocabSize: info.vocabSize,
      feed: (ids, logitsFrom, onSlice, at) => {
        const params = { sequence, ids: Uint32Array.from(ids), logitsFrom, at }
        return process.call('feed', params, ({ done, length, logits }) =>
          onSlice({
            done,
            length,
            get positions() {
              return logits === null ? [] : unpackLogits(logits)
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
    canRewind,
    async tokenize(text, tokenizeInit = {}) {
      const params = { text, special: tokenizeInit.special ?? false }
      return Array.from(await process.call('tokenize', params).result)
    },
    async detokenize(ids) {
      requireIds(ids, info.vocabSize)
      return process.call('detokenize', { ids: Uint32Array.from(ids) }).result
    },
    async ping() {
      await process.call('ping', {}).result
    },
    async openText(textInit) {
      requireTensors(sequences === null)
      return texts.open(textInit)
    },
    async idsToEmbed(text) {
      return Array.from(await process.call('idsToEmbed', { text }).result)
    },
    async embed(ids) {
      requireTensors(sequences === null)
      requireIds(ids, info.vocabSize)
      return process.call('embed', { ids: Uint32Array.from(ids) }).result
    },
    async openSequence(openInit = {}) {
      requireTensors(sequences === null)
      const sequence = await slots.take(openInit.signal, (free) => texts.leastMissed(free))
      texts.forget(sequence)
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
      // A disk that is full costs time later, and nothing else.
      await texts.save().catch(() => {})
      await process[Symbol.asyncDispose]()
    },
  }
}
