import { describe, expect, it } from 'vitest'
import { durationMs } from './duration.ts'

describe('durationMs', () => {
  it.each([
    ['300', 300_000],
    ['0', 0],
    ['1.5', 1_500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['-1', Infinity],
    ['-1m', Infinity],
  ])('default: %s', (text, ms) => {
    expect(durationMs(text)).toBe(ms)
  })

  it.each(['', 'soon', '5 m', '5d', 'm5', '1e3', 'NaN'])('behaviour: "%s" is none', (text) => {
    expect(() => durationMs(text)).toThrow(RangeError)
  })
})
