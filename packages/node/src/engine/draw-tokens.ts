import type { Guesser } from './guesser.ts'
import {
  countRecent,
  hasPenalties,
  type LocalSampling,
  randomAt,
  sampleLocally,
} from './sample-locally.ts'
import type { TextLogits } from './text-sequences.ts'

/** How the tokens of an answer are drawn. */
export interface DrawRules {
  promptIds: readonly number[]
  maxTokens: number
  endIds: readonly number[]
  sampling: LocalSampling
  seed: number
}

/** Takes ids in. */
export interface Drawable {
  /** Forgets all ids but the first `length`. */
  cutTo(length: number): void
  /** @returns candidates after each of `ids` */
  takeIn(ids: readonly number[], init: { signal: AbortSignal }): Promise<TextLogits[]>
}

export interface DrawInit extends DrawRules {
  /** Guesses tokens to be taken in with the drawn one; without it each has a step of its own. */
  guesser?: Guesser | undefined
  /** How many guesses a step may have now. */
  mostGuesses(): number
  signal: AbortSignal
}

export interface DrawnToken {
  id: number
  /** What it was drawn from. */
  top: TextLogits
  /** It was guessed right, and cost no step of its own. */
  isGuessed: boolean
  finish: 'stop' | 'length' | undefined
}

/**
 * Draws the tokens of an answer, one step ahead of its reader.
 * @param top logits after the prompt, which the sequence has taken in
 */
export async function* drawTokens(
  sequence: Drawable,
  top: TextLogits,
  init: DrawInit,
): AsyncGenerator<DrawnToken, void, void> {
  const { maxTokens, sampling, guesser, signal } = init
  const isPenalised = hasPenalties(sampling)
  const ids = [...init.promptIds]
  let tops = [top]
  /** Ids taken in after the one drawn last, in the hope that they are drawn next. */
  let guessed: readonly number[] = []
  let right = 0

  /** Takes in the id drawn last, with what may follow it. */
  async function takeIn(id: number, drawn: number): Promise<TextLogits[]> {
    sequence.cutTo(ids.length - 1)
    const most = Math.min(maxTokens - drawn - 1, init.mostGuesses())
    guessed = guesser?.guess(ids, most) ?? []
    right = 0
    const startedAt = performance.now()
    const next = await sequence.takeIn([id, ...guessed], { signal })
    stepMs = performance.now() - startedAt
    return next
  }

  let stepMs: number | undefined
  for (let t = 0; t < maxTokens; t++) {
    const from = tops[right] as TextLogits
    const recent = isPenalised ? countRecent(ids, sampling.penaltyTokens) : NOTHING
    const id = sampleLocally(from, sampling, recent, randomAt(init.seed, t))
    // Where nothing may follow a guess, its own step says why.
    const isGuessed = guessed[right] === id && (tops[right + 1]?.ids.length ?? 0) > 0
    const finish = init.endIds.includes(id) ? 'stop' : t + 1 < maxTokens ? undefined : 'length'
    if (isGuessed) right++
    else if (stepMs !== undefined) guesser?.learn(guessed.length, right, stepMs)
    ids.push(id)
    const ahead = isGuessed || finish !== undefined ? undefined : takeIn(id, t + 1)
    ahead?.catch(() => {})
    yield { id, top: from, isGuessed, finish }
    if (finish !== undefined) return
    signal.throwIfAborted()
    tops = (await ahead) ?? tops
  }
}

const NOTHING: ReadonlyMap<number, number> = new Map()
