import { LendingError } from '../errors.ts'
import type { MeshLimits } from './mesh-limits.ts'

/** Counts the streams that others opened and that are still served. */
export interface StreamLimits {
  /** @returns what ends the count of this stream @throws LendingError `busy` when it is one too many */
  enter(device: string): () => void
}

export function createStreamLimits(
  limits: Pick<MeshLimits, 'streamsPerDevice' | 'streamsInAll'>,
): StreamLimits {
  const open = new Map<string, number>()
  let inAll = 0
  return {
    enter: (device) => {
      const own = open.get(device) ?? 0
      if (own >= limits.streamsPerDevice || inAll >= limits.streamsInAll) {
        throw new LendingError('busy', { what: 'too many streams are open' })
      }
      inAll++
      open.set(device, own + 1)
      return () => {
        inAll--
        const left = (open.get(device) ?? 1) - 1
        if (left === 0) open.delete(device)
        else open.set(device, left)
      }
    },
  }
}
