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

/** What a step with guesses takes, in steps without: the texts of one model learn it together. */
export interface GuessCosts {
  of(guesses: number): number
  /** Whether a step with about so many was measured. */
  isKnown(guesses: number): boolean
  learn(guesses: number, steps: number): void
  /** Called for each step without guesses: what was measured long ago is to be tried again. */
  fade(): void
}

/** As many tokens as must match. */
const MATCH_TOKENS = 3
/** Of these sizes a step has its guesses: what it takes does not grow evenly with them. */
const SIZES = [1, 2, 4, 8, 16] as const
/** How much a new measurement weighs. */
const WEIGHT = 0.2
/** What a guess is thought to cost until it is measured, in steps: a GPU's next to nothing, a CPU's up to three. */
const FIRST_COST = 0.25
/** How likely a guess is right at first, where all before it were: it must show itself before one is computed. */
const FIRST_CHANCE = 0.3
/** Guesses are computed where they are expected to be faster by this much. */
const LEAST_GAIN = 1.1
/**
 * How likely a guess must be right for a size of which nothing is known: trying it out may take long. On a CPU
 * a step with one guess may take as long as four without, and one with sixteen as long as ten.
 */
const SURE_ENOUGH = 0.9
const FADE = 1 / 1024

/** Creates the costs of a model that has computed no guesses yet. */
export function createGuessCosts(): GuessCosts {
  const measured = new Map<number, number>()
  const sizeOf = (guesses: number) => SIZES.find((size) => size >= guesses) ?? guesses
  /** No dearer each than those of a smaller size turned out to be: else larger ones were never tried. */
  function assumed(guesses: number): number {
    const known = [...measured].filter(([size]) => size < guesses)
    return 1 + guesses * Math.min(FIRST_COST, ...known.map(([size, steps]) => (steps - 1) / size))
  }
  return {
    of: (guesses) => measured.get(sizeOf(guesses)) ?? assumed(guesses),
    isKnown: (guesses) => measured.has(sizeOf(guesses)),
    learn(guesses, steps) {
      const size = sizeOf(guesses)
      const before = measured.get(size)
      measured.set(size, before === undefined ? steps : before + WEIGHT * (steps - before))
    },
    fade() {
      for (const [size, steps] of measured) {
        measured.set(size, steps + FADE * (assumed(size) - steps))
      }
    },
  }
}

/**
 * Creates the guesser of one text. It knows whether its guesses would be right before any is computed,
 * since it compares them with what was drawn.
 */
export function createGuesser(costs: GuessCosts = createGuessCosts()): Guesser {
  /** Where in the text each run of tokens was last followed by another. */
  const seen = new Map<string, number>()
  let indexed = 0
  let chance = FIRST_CHANCE
  let weighed = 0
  let stepMs: number | undefined
  /** A guess that was not computed, to see whether it would have been right. */
  let kept: { at: number; id: number | undefined } | undefined

  function index(ids: readonly number[]): void {
    for (; indexed + MATCH_TOKENS < ids.length; indexed++) {
      const run = ids.slice(indexed, indexed + MATCH_TOKENS).join()
      seen.set(run, indexed + MATCH_TOKENS)
    }
  }

  /** The first few weigh more: as in a mean with what was thought before. */
  function weigh(isRight: boolean): void {
    weighed++
    chance += Math.max(WEIGHT, 1 / (weighed + 1)) * ((isRight ? 1 : 0) - chance)
  }

  /** The number of guesses with the most right tokens for each step's worth of time; 0 where none pays. */
  function bestCount(most: number): number {
    let best = 0
    let bestSpeed = LEAST_GAIN
    for (const size of SIZES) {
      if (size > most) break
      if (chance < SURE_ENOUGH && !costs.isKnown(size)) continue
      let expected = 1
      for (let at = 1; at <= size; at++) expected += chance ** at
      const speed = expected / costs.of(size)
      if (speed > bestSpeed) [best, bestSpeed] = [size, speed]
    }
    return best
  }

  return {
    guess(ids, most) {
      index(ids)
      if (kept !== undefined && kept.at < ids.length) weigh(ids[kept.at] === kept.id)
      kept = undefined
      const from = seen.get(ids.slice(-MATCH_TOKENS).join())
      if (from === undefined) return []
      const guesses = ids.slice(from, from + bestCount(Math.min(most, ids.length - from)))
      if (guesses.length === 0) kept = { at: ids.length, id: ids[from] }
      return guesses
    },
    learn(guessed, right, ms) {
      if (guessed === 0) {
        stepMs = stepMs === undefined ? ms : stepMs + WEIGHT * (ms - stepMs)
        costs.fade()
        return
      }
      for (let at = 0; at < Math.min(right + 1, guessed); at++) weigh(at < right)
      if (stepMs) costs.learn(guessed, ms / stepMs)
    },
  }
}
