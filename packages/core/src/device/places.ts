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
}

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

  return {
    take: async (device) => {
      if (inAll < running && placesOf(device) < perDevice) return enter(device)
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
  }
}

function busy(): LendingError {
  return new LendingError('busy', { what: 'too many answers at once' })
}
