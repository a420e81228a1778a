/**
 * Guesses the next tokens: where the last few of a text were there before, what followed them then
 * may follow again. Guesses are computed in one batch with the token before them, and kept as far as
 * the sampler draws the same, so they change the speed only.
 */
export interface Guesser {
  /** @param ids the text so far @param most how many may be guessed @returns maybe none */
  guess(ids: readonly number[], most: number): number[]
  /** Tells how many of `guessed` were right and how long the step took that computed them. */
  learn(guessed: number, right: number, ms: number): void
}

/** As many tokens as must match. */
const MATCH_TOKENS = 3
/** Costs grow with the batch, and right guesses get rare. */
const MOST_GUESSES = 16
/** How much a new measurement weighs. */
const WEIGHT = 0.2
/** Tokens without guesses after it did not pay; twice as many each time it does not again. */
const FIRST_PAUSE = 8
const LAST_PAUSE = 256
/** What a guess costs at first, in steps: between a CPU's third and a GPU's nothing. */
const FIRST_COST = 0.25

/** Creates a guesser that knows from its own results how many guesses pay. */
export function createGuesser(): Guesser {
  /** Where in the text each run of tokens was last followed by another. */
  const seen = new Map<string, number>()
  let indexed = 0
  let chance = 0.7
  let cost = FIRST_COST
  let stepMs: number | undefined
  let pause = 0
  let nextPause = FIRST_PAUSE

  function index(ids: readonly number[]): void {
    for (; indexed + MATCH_TOKENS < ids.length; indexed++) {
      const run = ids.slice(indexed, indexed + MATCH_TOKENS).join()
      seen.set(run, indexed + MATCH_TOKENS)
    }
  }

  /** The number of guesses with the most right tokens for each step's worth of time. */
  function bestCount(): number {
    let best = 0
    let bestGain = 1
    let expected = 1
    for (let count = 1; count <= MOST_GUESSES; count++) {
      expected += chance ** count
      const gain = expected / (1 + cost * count)
      if (gain > bestGain) [best, bestGain] = [count, gain]
    }
    return best
  }

  return {
    guess(ids, most) {
      index(ids)
      if (pause > 0) {
        pause--
        return []
      }
      const from = seen.get(ids.slice(-MATCH_TOKENS).join())
      if (from === undefined || ids.length < MATCH_TOKENS) return []
      const count = Math.min(bestCount(), most)
      return count < 1 ? [] : ids.slice(from, from + count)
    },
    learn(guessed, right, ms) {
      if (guessed === 0) {
        stepMs = stepMs === undefined ? ms : stepMs + WEIGHT * (ms - stepMs)
        return
      }
      for (let at = 0; at < Math.min(right + 1, guessed); at++) {
        chance += WEIGHT * ((at < right ? 1 : 0) - chance)
      }
      if (stepMs !== undefined && stepMs > 0) {
        const measured = Math.min(1, Math.max(0, (ms / stepMs - 1) / guessed))
        cost += WEIGHT * (measured - cost)
      }
      if (bestCount() > 0) {
        nextPause = FIRST_PAUSE
        return
      }
      pause = nextPause
      nextPause = Math.min(LAST_PAUSE, nextPause * 2)
      // Else it would never try again.
      chance = Math.max(chance, 0.5)
      cost = Math.min(cost, FIRST_COST)
    },
  }
}
