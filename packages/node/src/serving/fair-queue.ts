import { BusyError } from './errors.ts'

export interface FairQueueInit {
  /** So many are served at once. */
  places: number
  /** So many may wait; who comes then is turned away. */
  maxWaiting: number
  /** Milliseconds, for the time after which to ask again. */
  now?: (() => number) | undefined
}

/**
 * Places that are taken in turn: each client's requests wait in order, and clients take turns, so
 * that one with a hundred requests does not stand before one with a single one.
 */
export interface FairQueue {
  readonly running: number
  readonly waiting: number
  /**
   * Waits for a place. @returns what gives it back, once
   * @throws BusyError when too many wait; the signal's reason
   */
  take(client: string, signal?: AbortSignal): Promise<() => void>
}

/** How much the newest request counts in the mean time that a place is held. */
const NEWEST_WEIGHT = 0.2
const LONGEST_RETRY_SECONDS = 60

export function createFairQueue({ places, maxWaiting, now = Date.now }: FairQueueInit): FairQueue {
  /** Clients in the order of their turns, each with its requests in order. */
  const lines = new Map<string, Set<() => void>>()
  let running = 0
  let waiting = 0
  let meanMs = 1_000

  const retryAfterSeconds = () => {
    const seconds = Math.ceil(((waiting + 1) * meanMs) / places / 1_000)
    return Math.min(LONGEST_RETRY_SECONDS, Math.max(1, seconds))
  }

  function leave(client: string, accept: () => void): void {
    const line = lines.get(client)
    if (!line?.delete(accept)) return
    waiting--
    if (line.size === 0) lines.delete(client)
  }

  function next(): void {
    const [first] = lines
    if (first === undefined || running >= places) return
    const [client, line] = first
    const [accept] = line
    if (accept === undefined) return
    leave(client, accept)
    // To the end of the round, if more of its requests wait.
    if (lines.delete(client)) lines.set(client, line)
    running++
    accept()
  }

  function placeTaken(): () => void {
    const since = now()
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      running--
      meanMs += NEWEST_WEIGHT * (now() - since - meanMs)
      next()
    }
  }

  return {
    get running() {
      return running
    },
    get waiting() {
      return waiting
    },
    async take(client, signal) {
      signal?.throwIfAborted()
      if (running < places) {
        running++
        return placeTaken()
      }
      if (waiting >= maxWaiting) {
        throw new BusyError(retryAfterSeconds(), {
          what: 'too many requests wait already',
          why: `${running} are being answered and ${waiting} wait`,
          next: 'Ask again later',
        })
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onAbort = () => {
        leave(client, resolve)
        reject(signal?.reason)
      }
      const line = lines.get(client) ?? new Set()
      lines.set(client, line.add(resolve))
      waiting++
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        await promise
      } finally {
        signal?.removeEventListener('abort', onAbort)
      }
      return placeTaken()
    },
  }
}
