import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createGuessCosts, createGuesser, type GuessCosts } from './guesser.ts'

const STEP_MS = 10

interface Steps {
  /** Of all tokens, as many as were guessed right and cost no step. */
  right: number
  /** Sizes of the steps that had guesses. */
  sizes: number[]
  ms: number
}

/** Writes `text` after `start` ids, a step of `stepMs` at a time. @returns what its guesses gave */
function write(
  text: readonly number[],
  init: { start: number; most?: number; costs?: GuessCosts; stepMs: (guesses: number) => number },
): Steps {
  const guesser = createGuesser(init.costs)
  const steps: Steps = { right: 0, sizes: [], ms: 0 }
  for (let at = init.start; at < text.length; ) {
    const guessed = guesser.guess(text.slice(0, at), init.most ?? 100)
    let right = 0
    while (right < guessed.length && guessed[right] === text[at + right]) right++
    const ms = init.stepMs(guessed.length)
    guesser.learn(guessed.length, right, ms)
    if (guessed.length > 0) steps.sizes.push(guessed.length)
    steps.right += right
    steps.ms += ms
    at += right + 1
  }
  return steps
}

const cheap = (guesses: number) => STEP_MS * (1 + 0.05 * guesses)
/** As a CPU of 2025 computes Q8_0: two tokens take four times as long as one, 17 eleven times. */
const steep = (guesses: number) => (guesses === 0 ? STEP_MS : STEP_MS * (3.5 + 0.5 * guesses))
/** 300 ids of which none follow each other twice, and then the first 200 once more. */
const novel = Array.from({ length: 300 }, (_, index) => index)
const copied = [...novel, ...novel.slice(0, 200)]

describe('guesser', () => {
  it('default: guesses what followed the last tokens before, once it would have been right', () => {
    const guesser = createGuesser()
    const given = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3]
    expect(guesser.guess(given, 100)).toEqual([])
    for (const id of [4, 5, 6, 7, 8, 9]) {
      expect(guesser.guess(given, 100)).toEqual([])
      given.push(id)
    }
    const guesses = guesser.guess(given, 100)
    expect(guesses.length).toBeGreaterThan(0)
    expect(guesses).toEqual([10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, guesses.length))
    expect(guesser.guess(given, 1)).toEqual([10])
    expect(guesser.guess(given, 0)).toEqual([])
    expect(guesser.guess([...given, 10, 77], 100)).toEqual([])
  })

  it('behaviour: the latest occurrence counts', () => {
    const guesser = createGuesser()
    const text = [1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3, 5, 1, 2, 3, 5, 1, 2, 3]
    for (let end = 8; end < text.length; end++) guesser.guess(text.slice(0, end), 100)
    expect(guesser.guess(text, 1)).toEqual([5])
  })

  it('behaviour: guesses are always a part of the text, and never too many', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 60 }), fc.nat(20), (ids, most) => {
        const guesser = createGuesser()
        for (let end = 0; end <= ids.length; end++) {
          const text = ids.slice(0, end)
          const guess = guesser.guess(text, most)
          expect(guess.length).toBeLessThanOrEqual(most)
          if (guess.length > 0) expect(`,${text.join()},`).toContain(`,${guess.join()},`)
        }
      }),
    )
  })

  it('behaviour: a text that copies is written three times as fast where guesses are cheap', () => {
    const { ms, sizes } = write(copied, { start: 310, stepMs: cheap })
    expect(ms).toBeLessThan((190 * STEP_MS) / 3)
    expect(Math.max(...sizes)).toBe(16)
  })

  it('behaviour: where guesses are dear, it finds the number that pays', () => {
    const costs = createGuessCosts()
    write(copied, { start: 310, costs, stepMs: steep })
    // Another text of the same model knows that already.
    const { ms, sizes } = write(copied, { start: 310, costs, stepMs: steep })
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(8)
    expect(ms).toBeLessThan((190 * STEP_MS) / 1.2)
  })

  it('behaviour: a text that says other things each time computes no guesses', () => {
    // The same three ids come again and again, and what follows them never does.
    const text = Array.from({ length: 400 }, (_, at) => (at % 4 === 3 ? 1_000 + at : at % 4))
    const { sizes, ms } = write(text, { start: 4, stepMs: steep })
    expect(sizes).toEqual([])
    expect(ms).toBe(396 * STEP_MS)
  })

  it('behaviour: what a guess costs is not tried out for a few that were right', () => {
    // Runs of seven come again, so that four are right, and then something else follows.
    const text = Array.from({ length: 400 }, (_, at) => (at % 8 === 7 ? 1_000 + at : at % 8))
    expect(write(text, { start: 8, stepMs: steep }).sizes).toEqual([])
  })

  it('behaviour: does not guess for long where guesses never pay, and tries again much later', () => {
    const never = (guesses: number) => STEP_MS * (1 + 1.2 * guesses)
    const costs = createGuessCosts()
    const { sizes } = write(copied, { start: 310, costs, stepMs: never })
    expect(sizes.length).toBeLessThanOrEqual(10)
    for (let step = 0; step < 2_000; step++) costs.fade()
    expect(write(copied, { start: 310, costs, stepMs: cheap }).right).toBeGreaterThan(100)
  })
})
