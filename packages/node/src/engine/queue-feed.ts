import type { NativeModel } from './native-model.ts'
import type { Operations, Slice } from './protocol.ts'
import type { Rounds } from './rounds.ts'

export interface FeedEvents {
  onSlice: (slice: Slice) => void
  /** @param error as llama.cpp gave it @param isWhole whether all ids are in */
  onEnd: (error: unknown, isWhole: boolean) => void
}

/** Queues ids for the rounds of a model. */
export function queueFeed(
  { model, rounds }: { model: NativeModel; rounds: Rounds },
  { ids, sequence, logitsFrom, at, copy }: Operations['feed']['params'],
  { onSlice, onEnd }: FeedEvents,
): void {
  let last = 0
  let slice: Slice | undefined
  rounds.add(sequence, {
    ids,
    done: 0,
    isCancelled: false,
    async prepare() {
      if (copy !== undefined) await model.copy(sequence, copy)
      if (model.length(sequence) !== at) await model.cutTo(sequence, at)
    },
    async run(count) {
      if (slice !== undefined) onSlice(slice)
      const part = ids.subarray(last, last + count)
      const from = Math.max(0, logitsFrom - last)
      const logits = await model.evaluate(sequence, part, from, ids.length > 1)
      last += count
      slice = { done: last, length: model.length(sequence), logits }
    },
    end(error) {
      if (slice !== undefined) onSlice(slice)
      onEnd(error, last === ids.length)
    },
  })
}
