/**
 * Lock-step rounds. Sequences that wait at the same time are computed in one batch; loops that step
 * independently would drift apart and halve the speed of all.
 */

/** Ids of one call that are still to be taken in. */
export interface Feed {
  readonly ids: Uint32Array
  /** How many of `ids` are done. */
  done: number
  isCancelled: boolean
  /** Called before the first `run`, while no round computes. */
  prepare?: (() => Promise<void>) | undefined
  /** Takes the next `count` ids in; called for all feeds of a round in the same tick, by their keys. */
  run(count: number): Promise<void>
  /** Called once, after the last round of the feed or when it was cancelled before one. */
  end(error?: unknown): void
}

/** Ids in one round: what one llama.cpp batch holds. */
export const ROUND_TOKENS = 512

/** Ids of each long feed in a round that others share, so that their steps do not stall. */
export const SHARED_SLICE_TOKENS = 128

/** Ids of a feed in a round of its own: abort and progress come between two such slices. */
export const SLICE_TOKENS = 256

/**
 * How long a sequence of the last round is waited for: a quarter of a short round, little of a long one.
 * A round that is missed costs a whole one, and whoever asks for the next steps may be held up itself.
 */
const waitFor = (lastMs: number) => Math.max(Math.min(4, lastMs / 4), Math.min(40, lastMs / 20))

/** After this pause nobody is expected back. */
const GATHER_STALE_MS = 50

export interface Rounds {
  /**
   * Queues a feed of the sequence `key`; one at a time for each. llama.cpp computes sequences at once
   * as far as each has the number after the one before it.
   */
  add(key: number, feed: Feed): void
  /** Ends the feed of `key` as soon as no round runs it. */
  cancel(key: number): void
  /** Expects no more from `key`. */
  forget(key: number): void
}

/** Creates the queue that forms rounds. */
export function createRounds(): Rounds {
  const waiting = new Map<number, Feed>()
  const running = new Set<number>()
  const expected = new Set<number>()
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined
  let endedAt = 0
  let lastMs = 0

  function schedule(): void {
    if (running.size > 0 || waiting.size === 0) return
    const isStale = performance.now() - endedAt > GATHER_STALE_MS
    if (expected.size > 0 && !isStale) {
      timer ??= setTimeout(() => void runRound(), waitFor(lastMs))
      return
    }
    // After the messages that are already here, so that all of them share the round.
    immediate ??= setImmediate(() => void runRound())
  }

  function take(): [number, Feed, number][] {
    const picked: [number, Feed, number][] = []
    const slice = waiting.size > 1 ? SHARED_SLICE_TOKENS : SLICE_TOKENS
    let room = ROUND_TOKENS
    // Single steps first: they are what a reader waits for.
    const order = [...waiting].sort((a, b) => left(a[1]) - left(b[1]))
    for (const [key, feed] of order) {
      const count = Math.min(left(feed), slice, room)
      if (count === 0) break
      room -= count
      picked.push([key, feed, count])
    }
    return picked.sort(([a], [b]) => a - b)
  }

  async function runRound(): Promise<void> {
    clearTimeout(timer)
    clearImmediate(immediate)
    timer = undefined
    immediate = undefined
    if (running.size > 0) return
    expected.clear()
    const picked = take()
    if (picked.length === 0) return
    for (const [key] of picked) running.add(key)
    const startedAt = performance.now()
    const refused = new Map<Feed, Promise<never>>()
    for (const [, feed] of picked) {
      if (feed.prepare === undefined || feed.done > 0) continue
      await feed.prepare().catch((error: unknown) => refused.set(feed, reject(error)))
    }
    const results = await Promise.allSettled(
      picked.map(([, feed, count]) => refused.get(feed) ?? feed.run(count)),
    )
    endedAt = performance.now()
    lastMs = endedAt - startedAt
    running.clear()
    for (const [index, [key, feed, count]] of picked.entries()) {
      const result = results[index]
      if (result?.status === 'rejected') {
        waiting.delete(key)
        feed.end(result.reason)
        continue
      }
      feed.done += count
      if (left(feed) > 0 && !feed.isCancelled) continue
      waiting.delete(key)
      expected.add(key)
      feed.end()
    }
    schedule()
  }

  return {
    add(key, feed) {
      waiting.set(key, feed)
      // All of the last round are back: nobody is waited for.
      if (expected.delete(key) && expected.size === 0) process.nextTick(() => void runRound())
      else schedule()
    },
    cancel(key) {
      const feed = waiting.get(key)
      if (feed === undefined) return
      feed.isCancelled = true
      if (running.has(key)) return
      waiting.delete(key)
      feed.end()
    },
    forget(key) {
      expected.delete(key)
      schedule()
    },
  }
}

/** Its reason is told with the others of its round. */
function reject(error: unknown): Promise<never> {
  const rejected = Promise.reject(error)
  rejected.catch(() => {})
  return rejected
}

function left(feed: Feed): number {
  return feed.ids.length - feed.done
}
