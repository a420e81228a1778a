import { drawTokens } from './draw-tokens.ts'
import { createGuessCosts, createGuesser } from './guesser.ts'
import type { NativeModel } from './native-model.ts'
import { unpackTexts } from './pack-logits.ts'
import type { Drawn, Operations } from './protocol.ts'
import { queueFeed } from './queue-feed.ts'
import type { Rounds } from './rounds.ts'
import type { TextLogits } from './text-sequences.ts'

/** All texts at once may guess so many in one step: their guesses slow down each other. */
const MOST_GUESSES_AT_ONCE = 16
/**
 * Texts that compute together as many as this fill a batch by themselves: on a CPU a guess then takes as
 * long as a sure token (0.5 B shape, eight texts: 470 ms a step, 100 ms more with each guess).
 */
const FULL_BATCH = 4

/**
 * Draws answers beside the model that computes them: asking another process for each token would
 * take a few hundredths of a step.
 */
export interface Draws {
  /** @returns the ids that the sequence holds after its first `at`; also when it was cancelled */
  draw(
    id: number,
    params: Operations['draw']['params'],
    tell: (drawn: Drawn) => void,
  ): Promise<Uint32Array>
  cancel(id: number): void
}

export function createDraws(components: { model: NativeModel; rounds: Rounds }): Draws {
  const { rounds } = components
  const running = new Map<number, AbortController>()
  const guessCosts = createGuessCosts()

  /** @throws Error when it was cancelled before all are in */
  async function takeIn(
    sequence: number,
    ids: readonly number[],
    at: number,
    signal: AbortSignal,
  ): Promise<TextLogits[]> {
    signal.throwIfAborted()
    const ended = Promise.withResolvers<void>()
    const tops: TextLogits[] = []
    const cancel = () => rounds.cancel(sequence)
    signal.addEventListener('abort', cancel, { once: true })
    queueFeed(
      components,
      { sequence, ids: Uint32Array.from(ids), logitsFrom: 0, at },
      {
        onSlice: ({ logits }) => void (logits && tops.push(...unpackTexts(logits))),
        onEnd(error, isWhole) {
          if (isWhole) ended.resolve()
          else ended.reject(error ?? new Error('cancelled'))
        },
      },
    )
    try {
      await ended.promise
    } finally {
      signal.removeEventListener('abort', cancel)
    }
    return tops
  }

  return {
    async draw(id, params, tell) {
      const { sequence, at, top, isGuessing, isShown, ...rules } = params
      const stop = new AbortController()
      const { signal } = stop
      const held: number[] = []
      let length = at
      let failure: unknown
      const drawable = {
        cutTo(to: number) {
          length = Math.min(length, to)
        },
        async takeIn(ids: readonly number[]) {
          const tops = await takeIn(sequence, ids, length, signal)
          held.length = length - at
          held.push(...ids)
          length += ids.length
          return tops
        },
      }
      running.set(id, stop)
      try {
        const [first] = unpackTexts(top)
        const drawn = drawTokens(drawable, first as TextLogits, {
          ...rules,
          guesser: isGuessing ? createGuesser(guessCosts) : undefined,
          mostGuesses: () =>
            running.size < FULL_BATCH ? Math.floor(MOST_GUESSES_AT_ONCE / running.size) : 0,
          signal,
        })
        for await (const token of drawn) tell({ ...token, top: isShown ? token.top : null })
      } catch (error) {
        failure = error
      } finally {
        running.delete(id)
      }
      if (failure !== undefined && !signal.aborted) throw failure
      return Uint32Array.from(held)
    },
    cancel: (id) => running.get(id)?.abort(),
  }
}
