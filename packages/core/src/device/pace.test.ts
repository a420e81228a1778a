import { describe, expect, it } from 'vitest'
import { createPace } from './pace.ts'

describe('createPace', () => {
  it('default: what comes next waits until what was before it is paid off', async () => {
    let now = 0
    const waits: number[] = []
    const after = (ms: number, fn: () => void) => {
      waits.push(ms)
      now += ms
      fn()
      return () => {}
    }
    const pace = createPace(1_000, { now: () => now, after })
    await pace.take(500)
    await pace.take(500)
    await pace.take(2_000)
    await pace.take(1)
    expect(waits).toEqual([500, 500, 2_000])
    now += 60_000
    await pace.take(1)
    expect(waits).toHaveLength(3)
  })

  it('behaviour: a wait ends with its signal', async () => {
    const pace = createPace(1, { now: () => 0, after: () => () => {} })
    await pace.take(1)
    const stop = new AbortController()
    const waiting = pace.take(1, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
  })
})
