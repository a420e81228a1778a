import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'

export interface PlacesInit {
  /** Places that can be taken at once, and of these by one device. */
  running: number
  /** @default all of them */
  perDevice?: number | undefined
  /** Requests that may wait for a place, and how long each. */
  waiting: number
  waitMs: number
}

/** Places at something scarce. Who finds none waits in line, before its prompt has left its device. */
export interface Places {
  /**
   * @returns what gives the place back; calling it twice does no harm
   * @throws LendingError `busy` when the line is full, or no place came free in time
   */
  take(device: string): Promise<() => void>
  /** The same, for somebody who may not come: until it is kept, others who want a place get it. */
  hold(device: string): Promise<HeldPlace>
}

export interface HeldPlace {
  /** Aborts, with `busy`, when somebody else gets it. */
  readonly signal: AbortSignal
  /** From now on it stays. @throws LendingError `busy` when it is gone */
  keep(): void
  /** Gives it back; calling it twice does no harm. */
  release(): void
}

/** Who was promised a place has so long to come for it, whoever else wants it. */
const LEAST_HELD_MS = 2_000

interface Waiting {
  device: string
  accept(): void
  turnAway(): void
}

/**
 * A free place goes to the device that has the fewest, and a full line makes room for one that has
 * fewer in it: nobody can keep others out by asking for much.
 */
export function createPlaces(
  { running, perDevice = running, waiting, waitMs }: PlacesInit,
  { clock }: { clock: Clock },
): Places {
  const taken = new Map<string, number>()
  const line = new Set<Waiting>()
  /** Held and not kept, the oldest first. */
  const held = new Set<{ sinceMs: number; give(): void }>()
  let inAll = 0

  const placesOf = (device: string) => taken.get(device) ?? 0

  function enter(device: string): () => void {
    inAll++
    taken.set(device, placesOf(device) + 1)
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      // Whoever had this place counts as having it still; among equals it is the one that came first.
      const inOrder = [...line].sort((a, b) => placesOf(a.device) - placesOf(b.device))
      inAll--
      const left = placesOf(device) - 1
      if (left === 0) taken.delete(device)
      else taken.set(device, left)
      inOrder.find((next) => placesOf(next.device) < perDevice)?.accept()
    }
  }

  /** The latest in line of the device that has the most there, if that is two more than `device` has. */
  function spare(device: string): Waiting | undefined {
    const count = (one: string) => [...line].filter((other) => other.device === one).length
    const all = [...line].reverse().sort((a, b) => count(b.device) - count(a.device))
    const [most] = all
    return most && count(most.device) >= count(device) + 2 ? most : undefined
  }

  /** Takes a place from who was promised one long ago, and has not come for it. */
  function makeRoom(): void {
    const [oldest] = held
    if (oldest && clock.now() - oldest.sinceMs >= LEAST_HELD_MS) oldest.give()
  }

  const places: Places = {
    take: async (device) => {
      const mayHave = placesOf(device) < perDevice
      if (mayHave && inAll >= running) makeRoom()
      if (mayHave && inAll < running) return enter(device)
      if (line.size >= waiting) {
        const other = spare(device)
        if (other === undefined) throw busy()
        other.turnAway()
      }
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const place: Waiting = {
        device,
        accept: () => {
          line.delete(place)
          stop()
          resolve(enter(device))
        },
        turnAway: () => {
          line.delete(place)
          stop()
          reject(busy())
        },
      }
      const stop = clock.after(waitMs, () => place.turnAway())
      line.add(place)
      return promise
    },
    hold: async (device) => {
      const release = await places.take(device)
      const gone = new AbortController()
      const settle = () => {
        stop()
        held.delete(one)
      }
      const one = {
        sinceMs: clock.now(),
        give: () => {
          settle()
          gone.abort(busy())
          release()
        },
      }
      held.add(one)
      const stop = clock.after(LEAST_HELD_MS, () => {
        if (line.size > 0) one.give()
      })
      return {
        signal: gone.signal,
        keep: () => {
          gone.signal.throwIfAborted()
          settle()
        },
        release: () => {
          settle()
          release()
        },
      }
    },
  }
  return places
}

function busy(): LendingError {
  return new LendingError('busy', { what: 'too many answers at once' })
}
