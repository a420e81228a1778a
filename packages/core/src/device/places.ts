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
}

/** Nobody can take the whole line, and a free place goes to the device that has the fewest. */
export function createPlaces(
  { running, perDevice = running, waiting, waitMs }: PlacesInit,
  { clock }: { clock: Clock },
): Places {
  const taken = new Map<string, number>()
  const line = new Set<Waiting>()
  const ownLine = Math.ceil(waiting / 2)
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

  return {
    take: async (device) => {
      if (inAll < running && placesOf(device) < perDevice) return enter(device)
      const own = [...line].filter((other) => other.device === device).length
      if (line.size >= waiting || own >= ownLine) throw busy()
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const place: Waiting = {
        device,
        accept: () => {
          line.delete(place)
          stop()
          resolve(enter(device))
        },
      }
      const stop = clock.after(waitMs, () => {
        line.delete(place)
        reject(busy())
      })
      line.add(place)
      return promise
    },
  }
}

function busy(): LendingError {
  return new LendingError('busy', { what: 'too many answers at once' })
}
