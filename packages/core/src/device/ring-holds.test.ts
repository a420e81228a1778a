import { describe, expect, it } from 'vitest'
import { createHandClock } from '../lending/lending.fixture.ts'
import { createRingHolds } from './ring-holds.ts'

const [X, Y] = [`0x${'01'.repeat(32)}`, `0x${'02'.repeat(32)}`] as const

describe('ring holds', () => {
  it('default: a channel is one device’s at a time, and free again in time', () => {
    const clock = createHandClock()
    const holds = createRingHolds('bb', clock)
    expect([holds.take(X, 'cc'), holds.take(X, 'cc'), holds.take(X, 'dd')]).toEqual([
      true,
      true,
      false,
    ])
    expect([holds.take(X, 'bb'), holds.take(Y, 'bb')]).toEqual([false, true])
    holds.release('bb')
    expect([holds.take(Y, 'dd'), holds.take(X, 'dd')]).toEqual([true, false])
    clock.pass(30_000)
    expect([holds.take(X, 'bb'), holds.take(X, 'cc')]).toEqual([true, false])
  })

  it('behaviour: of two that ask each other at once, exactly one goes on', () => {
    const clock = createHandClock()
    const one = createRingHolds('aa', clock)
    const other = createRingHolds('bb', clock)
    for (const holds of [one, other]) holds.take(X, holds === one ? 'aa' : 'bb')
    expect(one.take(X, 'bb')).toBe(false)
    expect(other.take(X, 'aa')).toBe(true)
    expect([one.take(X, 'aa'), other.take(X, 'bb')]).toEqual([true, false])
  })
})
