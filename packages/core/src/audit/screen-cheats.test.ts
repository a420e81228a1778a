import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CELLS, cellWeights, meanWeight } from './calibration.ts'
import { screenCheats } from './screen-cheats.ts'
import { EARLY_STOP } from './verdict.ts'

/** Counts with `misses` mismatches among 10,000 tokens, in one class of gaps. */
function counts(misses: number): number[] {
  return Array.from({ length: CELLS }, (_, cell) =>
    cell === 0 ? 10_000 - misses : cell === 1 ? misses : 0,
  )
}

describe('screenCheats', () => {
  it('default: adds honest pairs up and keeps what all of them are far from', () => {
    const found = screenCheats([counts(10), counts(30)], { coarse: counts(500) }, [])
    expect(found.honest.slice(0, 2)).toEqual([19_960, 40])
    expect(found).toMatchObject({ cheats: { coarse: counts(500) }, earlyStop: [], leftOut: {} })
  })

  it('behaviour: one pair that comes too near leaves a cheat out, with the reason', () => {
    const pairs = [...Array.from({ length: 9 }, () => counts(10)), counts(120)]
    const found = screenCheats(pairs, { coarse: counts(2_000), fine: counts(150) }, [])
    expect(Object.keys(found.cheats)).toEqual(['coarse'])
    expect(found.leftOut.fine).toMatch(/^an honest pair drifts by -?[\d.]+ nats a token/)
  })

  it('behaviour: a cheat that is no other than honesty is left out', () => {
    const found = screenCheats([counts(20)], { same: counts(20) }, [])
    expect(found.cheats).toEqual({})
    expect(Object.keys(found.leftOut)).toEqual(['same'])
  })

  it('behaviour: ends are kept while honest tokens are hardly ever as far off', () => {
    const cut = Array.from({ length: CELLS }, (_, cell) => (cell === 5 ? 900 : 0))
    expect(screenCheats([counts(20)], {}, cut)).toMatchObject({ earlyStop: cut, leftOut: {} })
    const off = counts(0).with(0, 9_500).with(5, 500)
    const found = screenCheats([counts(20), counts(20), off], {}, cut)
    expect(found.earlyStop).toEqual([])
    expect(Object.keys(found.leftOut)).toEqual([EARLY_STOP])
  })

  it('behaviour: whatever is kept, each honest pair drifts away from it', () => {
    const cells = fc.array(fc.nat(2_000), { minLength: CELLS, maxLength: CELLS })
    fc.assert(
      fc.property(fc.array(cells, { minLength: 1, maxLength: 4 }), cells, (pairs, cheat) => {
        const { honest, cheats, leftOut } = screenCheats(pairs, { cheat }, [])
        const weights = cellWeights(honest, cheat)
        const drifts = pairs.map((pair) => meanWeight(weights, pair))
        if (cheats.cheat === undefined) expect(leftOut.cheat).toBeDefined()
        else for (const drift of drifts) expect(drift).toBeLessThan(0)
      }),
    )
  })
})
