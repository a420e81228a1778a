import { describe, expect, it } from 'vitest'
import { LendingError } from '../errors.ts'
import { createTurns } from './turns.ts'

const LENDER = 'aa'
const busy = () => new LendingError('busy', { what: 'a test' })

/** A lender with so many places, each answer of which ends when a test says so. */
function createLender(places: number) {
  const running: PromiseWithResolvers<void>[] = []
  let asked = 0
  return {
    running,
    asked: () => asked,
    work: async () => {
      asked++
      await Promise.resolve()
      if (running.length >= places) throw busy()
      const end = Promise.withResolvers<void>()
      running.push(end)
      await end.promise.finally(() => running.splice(running.indexOf(end), 1))
      return 'answer'
    },
  }
}

/** Lets everything go on that can. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('createTurns', () => {
  it('default: what a lender has no place for waits for an answer of ours to end', async () => {
    const turns = createTurns()
    const lender = createLender(2)
    const all = Promise.all(
      [1, 2, 3, 4, 5].map(async () => (await turns.take(LENDER)).run(lender.work)),
    )
    for (let round = 0; round < 3; round++) {
      await settle()
      expect(lender.running.length).toBeLessThanOrEqual(2)
      for (const { resolve } of lender.running) resolve()
    }
    expect(await all).toHaveLength(5)
  })

  it('behaviour: with no answer of ours there, busy is said at once', async () => {
    const turns = createTurns()
    const lender = createLender(0)
    const turn = await turns.take(LENDER)
    await expect(turn.run(lender.work)).rejects.toMatchObject({ reason: 'busy' })
    expect(lender.asked()).toBe(1)
  })

  it('behaviour: nobody waits for one who was turned away too', async () => {
    const turns = createTurns()
    const lender = createLender(0)
    const all = [1, 2, 3].map(async () => (await turns.take(LENDER)).run(lender.work))
    for (const { status } of await Promise.allSettled(all)) expect(status).toBe('rejected')
  })

  it('behaviour: other errors are passed on, and make room', async () => {
    const turns = createTurns()
    const lender = createLender(1)
    const one = (await turns.take(LENDER)).run(lender.work)
    const two = (await turns.take(LENDER)).run(lender.work)
    await settle()
    lender.running[0]!.reject(new Error('broke'))
    await expect(one).rejects.toThrow('broke')
    await settle()
    lender.running[0]!.resolve()
    expect(await two).toBe('answer')
  })

  it('behaviour: streams are limited until they are given back', async () => {
    const turns = createTurns(2)
    const first = await turns.take(LENDER)
    await turns.take(LENDER)
    let isThere = false
    const third = turns.take(LENDER).then(() => {
      isThere = true
    })
    await turns.take('another lender')
    await settle()
    expect(isThere).toBe(false)
    first.end()
    first.end()
    await third
  })

  it('behaviour: who cancels waits no longer', async () => {
    const turns = createTurns(1)
    const stop = new AbortController()
    const lender = createLender(1)
    const turn = await turns.take(LENDER)
    const waiting = turns.take(LENDER, { signal: stop.signal })
    const running = turn.run(lender.work)
    const told = turn.run(lender.work, { signal: stop.signal })
    await settle()
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ reason: 'cancelled' })
    await expect(told).rejects.toMatchObject({ reason: 'cancelled' })
    lender.running[0]!.resolve()
    await running
  })
})
