import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createGuesser } from './guesser.ts'

const STEP_MS = 10

/** A guesser that knows how long a step takes. */
function timed() {
  const guesser = createGuesser()
  guesser.learn(0, 0, STEP_MS)
  return guesser
}

describe('guesser', () => {
  it('default: guesses what followed the last tokens before', () => {
    const ids = [1, 2, 3, 4, 5, 6, 9, 9, 1, 2, 3]
    const guess = timed().guess(ids, 100)
    expect(guess.length).toBeGreaterThan(0)
    expect(guess).toEqual([4, 5, 6, 9, 9, 1].slice(0, guess.length))
    expect(timed().guess(ids, 1)).toEqual([4])
    expect(timed().guess(ids, 0)).toEqual([])
    expect(timed().guess([1, 2, 3, 4], 100)).toEqual([])
    expect(timed().guess([1, 1], 100)).toEqual([])
  })

  it('behaviour: the latest occurrence counts', () => {
    expect(timed().guess([1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3], 1)).toEqual([5])
  })

  it('behaviour: guesses are always a part of the text, and never too many', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 60 }), fc.nat(20), (ids, most) => {
        const guess = timed().guess(ids, most)
        expect(guess.length).toBeLessThanOrEqual(most)
        if (guess.length > 0) expect(`,${ids.join()},`).toContain(`,${guess.join()},`)
      }),
    )
  })

  it('behaviour: the more are right, the more it guesses', () => {
    const ids = Array.from({ length: 60 }, (_, index) => index % 30)
    const guesser = timed()
    const first = guesser.guess(ids, 100).length
    for (let step = 0; step < 20; step++) guesser.learn(first, first, STEP_MS * 1.2)
    expect(guesser.guess(ids, 100).length).toBeGreaterThan(first)
  })

  it('behaviour: wrong guesses stop it for a while, longer each time', () => {
    const ids = Array.from({ length: 60 }, (_, index) => index % 30)
    const guesser = timed()
    const pauses: number[] = []
    let pause = 0
    for (let step = 0; step < 400; step++) {
      const guess = guesser.guess(ids, 100)
      if (guess.length === 0) pause++
      else if (pause > 0) {
        pauses.push(pause)
        pause = 0
      }
      guesser.learn(guess.length, 0, STEP_MS * (1 + 0.3 * guess.length))
    }
    expect(pauses.length).toBeGreaterThan(2)
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b))
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0]!)
  })

  it('behaviour: does not guess where a guess costs as much as a step', () => {
    const ids = Array.from({ length: 60 }, (_, index) => index % 30)
    const guesser = timed()
    let guesses = 0
    for (let step = 0; step < 200; step++) {
      const { length } = guesser.guess(ids, 100)
      if (length > 0) guesses++
      guesser.learn(length, length, STEP_MS * (1 + 1.2 * length))
    }
    expect(guesses).toBeLessThan(100)
  })
})
