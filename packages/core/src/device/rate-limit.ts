import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'

/** How much others may have of something within one window of time, each and all together. */
export interface RateLimit {
  /** @throws LendingError `busy` when it is too much for now */
  take(device: string, amount: number): void
}

export function createRateLimit(
  limits: { windowMs: number; perDevice: number; inAll: number },
  clock: Clock,
): RateLimit {
  let endsAtMs = 0
  let inAll = 0
  const taken = new Map<string, number>()
  return {
    take: (device, amount) => {
      const now = clock.now()
      if (now >= endsAtMs) {
        endsAtMs = now + limits.windowMs
        inAll = 0
        taken.clear()
      }
      const own = (taken.get(device) ?? 0) + amount
      if (own > limits.perDevice || inAll + amount > limits.inAll) {
        throw new LendingError('busy', { what: 'too much was asked for within a short time' })
      }
      taken.set(device, own)
      inAll += amount
    },
  }
}
