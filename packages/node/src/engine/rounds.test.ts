import { describe, expect, it } from 'vitest'
import {
  createRounds,
  type Feed,
  ROUND_TOKENS,
  type Rounds,
  SHARED_SLICE_TOKENS,
  SLICE_TOKENS,
} from './rounds.ts'

/** Rounds whose work is a pause; notes which feeds and how many ids each round had. */
function createBench(roundMs = 5) {
  const rounds = createRounds()
  const log: Map<number, number>[] = []
  let current: { done: Promise<void>; members: Map<number, number> } | undefined

  function feed(key: number, count: number, fails = false): Feed & { ended: Promise<unknown> } {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    return {
      ids: new Uint32Array(count),
      done: 0,
      isCancelled: false,
      ended: promise,
      async run(part) {
        if (current === undefined) {
          const members = new Map<number, number>()
          const done = new Promise<void>((end) => setTimeout(end, roundMs))
          current = { done, members }
          log.push(members)
        }
        const { done, members } = current
        members.set(key, part)
        await done
        current = undefined
        if (fails) throw new Error('broken')
      },
      end: resolve,
    }
  }
  return { rounds, log, feed }
}

async function run(rounds: Rounds, key: number, feed: Feed & { ended: Promise<unknown> }) {
  rounds.add(key, feed)
  return feed.ended
}

describe('rounds', () => {
  it('default: what waits at the same time shares a round', async () => {
    const { rounds, log, feed } = createBench()
    await Promise.all([0, 1, 2].map((key) => run(rounds, key, feed(key, 1))))
    expect(log).toEqual([new Map([0, 1, 2].map((key) => [key, 1]))])
  })

  it('behaviour: a round runs its feeds by their keys', async () => {
    const { rounds, log, feed } = createBench()
    await Promise.all([5, 2, 9, 0].map((key) => run(rounds, key, feed(key, key === 2 ? 7 : 1))))
    expect(log.map((members) => [...members.keys()])).toEqual([[0, 2, 5, 9]])
  })

  it('behaviour: loops that begin apart come together', async () => {
    const { rounds, log, feed } = createBench(12)
    await Promise.all(
      [0, 1, 2].map(async (key) => {
        await new Promise((resolve) => setTimeout(resolve, key * 5))
        for (let step = 0; step < 20; step++) await run(rounds, key, feed(key, 1))
      }),
    )
    const shared = log.filter((members) => members.size === 3)
    expect(shared.length).toBeGreaterThan(15)
    expect(log.length).toBeLessThan(26)
  })

  it('behaviour: a long feed goes in slices, smaller ones beside a step', async () => {
    const { rounds, log, feed } = createBench()
    await run(rounds, 0, feed(0, 600))
    expect(log.map((members) => members.get(0))).toEqual([SLICE_TOKENS, SLICE_TOKENS, 88])
    log.length = 0
    const long = run(rounds, 0, feed(0, 600))
    for (let step = 0; step < 3; step++) await run(rounds, 1, feed(1, 1))
    await long
    for (const members of log.filter((round) => round.has(1))) {
      expect(members.get(1)).toBe(1)
      expect(members.get(0)).toBe(SHARED_SLICE_TOKENS)
    }
    expect(log.filter((round) => round.has(1))).toHaveLength(3)
  })

  it('behaviour: a round never holds more than one batch, and nobody starves', async () => {
    const { rounds, log, feed } = createBench(1)
    await Promise.all(Array.from({ length: 9 }, (_, key) => run(rounds, key, feed(key, 300))))
    for (const members of log) {
      const total = [...members.values()].reduce((sum, count) => sum + count, 0)
      expect(total).toBeLessThanOrEqual(ROUND_TOKENS)
    }
    const all = log.flatMap((members) => [...members.values()])
    expect(all.reduce((sum, count) => sum + count, 0)).toBe(2700)
  })

  it('behaviour: a cancelled feed ends before its next slice', async () => {
    const { rounds, log, feed } = createBench()
    const running = feed(0, 600)
    const waiting = feed(1, 1)
    rounds.add(0, running)
    await new Promise((resolve) => setImmediate(resolve))
    rounds.add(1, waiting)
    rounds.cancel(1)
    await waiting.ended
    rounds.cancel(0)
    await running.ended
    expect(running.done).toBe(SLICE_TOKENS)
    expect(waiting.done).toBe(0)
    expect(log).toHaveLength(1)
    rounds.cancel(7)
    await run(rounds, 0, feed(0, 1))
  })

  it('behaviour: a feed that fails leaves the others alone', async () => {
    const { rounds, feed } = createBench()
    const [bad, good] = await Promise.all([
      run(rounds, 0, feed(0, 1, true)),
      run(rounds, 1, feed(1, 1)),
    ])
    expect(bad).toEqual(new Error('broken'))
    expect(good).toBeUndefined()
    expect(await run(rounds, 0, feed(0, 1))).toBeUndefined()
  })

  it('behaviour: who stops is not waited for', async () => {
    const { rounds, feed } = createBench(1)
    await Promise.all([run(rounds, 0, feed(0, 1)), run(rounds, 1, feed(1, 1))])
    rounds.forget(1)
    const startedAt = performance.now()
    for (let step = 0; step < 10; step++) await run(rounds, 0, feed(0, 1))
    expect(performance.now() - startedAt).toBeLessThan(200)
  })
})
