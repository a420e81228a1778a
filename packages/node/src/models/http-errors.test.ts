import { describe, expect, it } from 'vitest'
import { retryAfterMs } from './http-errors.ts'

describe('retryAfterMs', () => {
  const now = Date.parse('Sun, 22 Nov 2026 12:00:00 GMT')

  it.each([
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 12:01:00 GMT' }, 60_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 11:59:00 GMT' }, 0],
    [{ ratelimit: '"api";r=0;t=55' }, 55_000],
    [{ 'retry-after': 'soon' }, null],
    [{}, null],
  ])('default: %j means %s ms', (headers: Record<string, string>, ms) => {
    expect(retryAfterMs(new Headers(headers), now)).toBe(ms)
  })
})
