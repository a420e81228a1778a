import { LendingError } from '../errors.ts'

/** Places at the engine: how many answers may run or wait, in all and for one device. */
export interface Places {
  /** @returns what gives the place back; calling it twice does no harm @throws LendingError `busy` */
  take(device: string): () => void
}

/** Nobody can take all places alone: the rest waits for others. */
export function createPlaces(limits: { inAll: number; perDevice: number }): Places {
  const taken = new Map<string, number>()
  let inAll = 0
  return {
    take: (device) => {
      const own = taken.get(device) ?? 0
      if (inAll >= limits.inAll || own >= limits.perDevice) {
        throw new LendingError('busy', { what: 'too many answers at once' })
      }
      inAll++
      taken.set(device, own + 1)
      let isTaken = true
      return () => {
        if (!isTaken) return
        isTaken = false
        inAll--
        const left = (taken.get(device) ?? 1) - 1
        if (left === 0) taken.delete(device)
        else taken.set(device, left)
      }
    },
  }
}
