import { describe, expect, it } from 'vitest'
import { createRateLimit } from './rate-limit.ts'

function limited() {
  let now = 1_000
  const clock = { now: () => now, after: () => () => {} }
  const limit = createRateLimit({ windowMs: 100, perDevice: 5, inAll: 8 }, clock)
  return { limit, pass: (ms: number) => (now += ms) }
}

describe('createRateLimit', () => {
  it('default: each has its share, and all together theirs', () => {
    const { limit } = limited()
    limit.take('a', 3)
    limit.take('a', 2)
    expect(() => limit.take('a', 1)).toThrow(/too much/)
    limit.take('b', 3)
    expect(() => limit.take('c', 1)).toThrow(/too much/)
  })

  it('behaviour: what was refused takes nothing, and a new window begins with nothing taken', () => {
    const { limit, pass } = limited()
    expect(() => limit.take('a', 6)).toThrow(/too much/)
    limit.take('a', 5)
    pass(99)
    expect(() => limit.take('a', 1)).toThrow(/too much/)
    pass(1)
    limit.take('a', 5)
  })
})
