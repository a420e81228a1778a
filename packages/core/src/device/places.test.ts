import { describe, expect, it } from 'vitest'
import type { Clock } from '../platform.ts'
import { createPlaces } from './places.ts'

const WAIT_MS = 100

/** A clock whose timers ring when a test says so. */
function createTimers() {
  const due = new Set<() => void>()
  const clock: Clock = {
    now: () => 0,
    after: (_, fn) => {
      due.add(fn)
      return () => due.delete(fn)
    },
  }
  const ring = () => {
    for (const fn of [...due]) fn()
  }
  return { clock, due, ring }
}

function setUp(running: number, waiting: number, perDevice?: number) {
  const timers = createTimers()
  const places = createPlaces({ running, waiting, waitMs: WAIT_MS, perDevice }, timers)
  const order: string[] = []
  const ask = async (device: string) => {
    const release = await places.take(device)
    order.push(device)
    return release
  }
  return { ...timers, ask, order }
}

describe('createPlaces', () => {
  it('default: who finds a place runs, the next waits until one is free', async () => {
    const { ask, order, due } = setUp(2, 2)
    const release = await ask('a')
    await ask('a')
    const third = ask('b')
    expect(order).toEqual(['a', 'a'])
    release()
    await third
    expect(order).toEqual(['a', 'a', 'b'])
    expect(due.size).toBe(0)
  })

  it('behaviour: a place that is given back twice is free once', async () => {
    const { ask, order } = setUp(1, 4)
    const release = await ask('a')
    const next = [ask('b'), ask('c')]
    release()
    release()
    await next[0]
    expect(order).toEqual(['a', 'b'])
  })

  it('behaviour: a free place goes to the device that has the fewest', async () => {
    const { ask, order } = setUp(3, 4)
    const [first, second] = [await ask('a'), await ask('a')]
    await ask('b')
    const waiting = [ask('a'), ask('b'), ask('c')]
    first()
    await waiting[2]
    second()
    await waiting[0]
    expect(order).toEqual(['a', 'a', 'b', 'c', 'a'])
  })

  it('behaviour: a full line makes room for a device that has fewer in it', async () => {
    const { ask, order } = setUp(1, 3)
    const release = await ask('a')
    const own = [ask('a'), ask('a'), ask('a')]
    await expect(ask('a')).rejects.toMatchObject({ reason: 'busy' })
    const other = ask('b')
    await expect(own[2]).rejects.toMatchObject({ reason: 'busy' })
    // Now a has two there and b one: b may not have more than a.
    await expect(ask('b')).rejects.toMatchObject({ reason: 'busy' })
    release()
    await other
    expect(order).toEqual(['a', 'b'])
  })

  it('behaviour: a full line turns away at once, a slow one in time', async () => {
    const { ask, order, ring } = setUp(1, 2)
    const release = await ask('a')
    const waiting = Promise.allSettled([ask('b'), ask('c')])
    await expect(ask('d')).rejects.toMatchObject({ reason: 'busy' })
    ring()
    expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    release()
    await ask('d')
    expect(order).toEqual(['a', 'd'])
  })

  it('behaviour: a device that has its share waits, others do not wait for it', async () => {
    const { ask, order } = setUp(3, 4, 2)
    const release = await ask('a')
    await ask('a')
    const third = ask('a')
    await ask('b')
    expect(order).toEqual(['a', 'a', 'b'])
    release()
    await third
    expect(order).toEqual(['a', 'a', 'b', 'a'])
  })

  it('behaviour: a place that is held stays, until somebody else wants it and its time is over', async () => {
    let now = 0
    const due = new Map<() => void, number>()
    const clock: Clock = {
      now: () => now,
      after: (ms, fn) => {
        due.set(fn, now + ms)
        return () => due.delete(fn)
      },
    }
    const pass = (ms: number) => {
      now += ms
      for (const [fn, at] of due) if (at <= now && due.delete(fn)) fn()
    }
    const places = createPlaces({ running: 2, waiting: 2, waitMs: 5_000 }, { clock })
    const [first, second] = [await places.hold('a'), await places.hold('b')]
    // A moment after it was promised nobody takes it; then who has waited gets the oldest.
    const waiting = places.take('c')
    expect(first.signal.aborted).toBe(false)
    pass(2_000)
    await waiting
    expect([first.signal.aborted, second.signal.aborted]).toEqual([true, false])
    expect(() => first.keep()).toThrow(/too many/)
    // What was kept is nobody else's, and whoever comes later waits for it.
    second.keep()
    let isIn = false
    const last = places.take('d').then(() => {
      isIn = true
    })
    pass(4_000)
    await Promise.resolve()
    expect([isIn, second.signal.aborted]).toEqual([false, false])
    first.release()
    second.release()
    await last
  })

  it('behaviour: one that was held for long is taken at once', async () => {
    let now = 0
    const clock: Clock = { now: () => now, after: () => () => {} }
    const places = createPlaces({ running: 1, waiting: 0, waitMs: 100 }, { clock })
    const held = await places.hold('a')
    await expect(places.take('b')).rejects.toMatchObject({ reason: 'busy' })
    now = 2_000
    await places.take('b')
    expect(held.signal.reason).toMatchObject({ reason: 'busy' })
  })
})
