import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MachineState, type Politeness, whyNotLend } from './polite.ts'

const FREE: MachineState = {
  isOnMains: true,
  temperatureC: 50,
  foreignLoad: 0.05,
  isOwnRunning: false,
  ownIdleMs: 600_000,
  minute: 12 * 60,
  isSwitchedOff: false,
}
const UNKNOWN: Partial<MachineState> = { isOnMains: null, temperatureC: null, foreignLoad: null }
const ALL: Politeness = { idle: { afterMs: 300_000 }, mains: true, maxTemperature: 70 }
const why = (change: Partial<MachineState>, politeness = ALL, isLending = false) =>
  whyNotLend({ ...FREE, ...change }, politeness, isLending)

describe('whyNotLend', () => {
  it('default: lends while all conditions hold', () => {
    expect(why({})).toBeNull()
  })

  it.each([
    [{ isOwnRunning: true }, /being answered/],
    [{ ownIdleMs: 299_999 }, /just answered/],
    [{ foreignLoad: 0.3 }, /busy/],
    [{ isOnMains: false }, /battery/],
    [{ temperatureC: 71 }, /too hot/],
    [{ foreignLoad: null }, /unknown/],
    [{ isOnMains: null }, /unknown/],
    [{ temperatureC: null }, /unknown/],
  ])('behaviour: %j stops it', (change, words) => {
    expect(why(change)).toMatch(words)
    expect(why(change, {})).toBeNull()
  })

  it('behaviour: the owner’s word needs no condition', () => {
    expect(why({ isSwitchedOff: true }, {}, true)).toMatch(/switched it off/)
  })

  it('behaviour: what is unknown matters only where it is a condition', () => {
    expect(why(UNKNOWN, { hours: [0, 1_439] })).toBeNull()
    expect(why(UNKNOWN, { mains: true })).toMatch(/unknown/)
  })

  it('behaviour: it does not flicker between two lines', () => {
    expect(why({ temperatureC: 68 }, ALL, true)).toBeNull()
    expect(why({ temperatureC: 68 }, ALL, false)).toMatch(/too hot/)
    expect(why({ foreignLoad: 0.4 }, ALL, true)).toBeNull()
    expect(why({ foreignLoad: 0.4 }, ALL, false)).toMatch(/busy/)
  })

  it('behaviour: hours may go over midnight', () => {
    const at = (hours: [number, number], minute: number) => why({ minute }, { hours })
    expect(at([22 * 60, 7 * 60], 23 * 60)).toBeNull()
    expect(at([22 * 60, 7 * 60], 6 * 60 + 59)).toBeNull()
    expect(at([22 * 60, 7 * 60], 7 * 60)).toMatch(/hours/)
    expect(at([9 * 60, 17 * 60], 9 * 60)).toBeNull()
    expect(at([9 * 60, 17 * 60], 17 * 60)).toMatch(/hours/)
    const minutes = fc.integer({ min: 0, max: 1_439 })
    fc.assert(
      fc.property(minutes, minutes, minutes, (from, until, minute) => {
        fc.pre(from !== until)
        const [one, other] = [at([from, until], minute), at([until, from], minute)]
        expect(one === null).toBe(other !== null)
      }),
    )
  })
})
