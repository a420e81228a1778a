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
/** Steps without guesses after they did not pay; twice as many each time they do not again. */
const FIRST_PAUSE = 8
const LAST_PAUSE = 256
/** Faster by this much, and it pays beyond doubt. */
const CLEAR_GAIN = 1.2
/** What a guess costs at first, in steps: between a CPU's third and a GPU's nothing. */
const FIRST_COST = 0.25
/** How likely a guess is right at first, where all before it were. */
const FIRST_CHANCE = 0.7

/** Creates a guesser that knows from its own results whether guesses pay, and how many. */
export function createGuesser(): Guesser {
  /** Where in the text each run of tokens was last followed by another. */
  const seen = new Map<string, number>()
  let indexed = 0
  let chance = FIRST_CHANCE
  let cost = FIRST_COST
  let stepMs: number | undefined
  /** How much faster than without guesses. */
  let gain = CLEAR_GAIN
  let pause = 0
  let nextPause = FIRST_PAUSE

  function index(ids: readonly number[]): void {
    for (; indexed + MATCH_TOKENS < ids.length; indexed++) {
      const run = ids.slice(indexed, indexed + MATCH_TOKENS).join()
      seen.set(run, indexed + MATCH_TOKENS)
    }
  }

  /** The number of guesses with the most right tokens for each step's worth of time; at least one. */
  function bestCount(): number {
    let best = 1
    let most = 0
    let expected = 1
    for (let count = 1; count <= MOST_GUESSES; count++) {
      expected += chance ** count
      const speed = expected / (1 + cost * count)
      if (speed > most) [best, most] = [count, speed]
    }
    return best
  }

  return {
    guess(ids, most) {
      index(ids)
      const from = seen.get(ids.slice(-MATCH_TOKENS).join())
      if (from === undefined) return []
      if (pause > 0) {
        pause--
        return []
      }
      return ids.slice(from, from + Math.min(bestCount(), Math.max(0, most)))
    },
    learn(guessed, right, ms) {
      if (guessed === 0) {
        stepMs = stepMs === undefined ? ms : stepMs + WEIGHT * (ms - stepMs)
        return
      }
      for (let at = 0; at < Math.min(right + 1, guessed); at++) {
        chance += WEIGHT * ((at < right ? 1 : 0) - chance)
      }
      const steps = stepMs === undefined || stepMs === 0 ? 1 + cost * guessed : ms / stepMs
      cost += WEIGHT * (Math.min(1, Math.max(0, (steps - 1) / guessed)) - cost)
      gain += WEIGHT * ((right + 1) / Math.max(steps, 0.5) - gain)
      if (gain > CLEAR_GAIN) nextPause = FIRST_PAUSE
      if (gain >= 1) return
      pause = nextPause
      nextPause = Math.min(LAST_PAUSE, nextPause * 2)
      // One more wrong guess after the pause, and there is another.
      gain = 1
    },
  }
}
