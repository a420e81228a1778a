import { ClearingError } from '../errors.ts'
import type { Clock } from '../platform.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Openings that a lender submits in one hour for everybody: keys cost nothing, gas does. */
const PER_HOUR = 60

/** Who had an opening submitted, and when: the lender pays its gas. */
export interface RelayLimit {
  /**
   * Notes one attempt: one a minute for each device, and a number an hour in all.
   * @returns what takes it out of the hour's number again, when it cost no gas
   * @throws ClearingError when it is too soon
   */
  take(device: string): () => void
}

export function createRelayLimit(clock: Clock): RelayLimit {
  let attempts: { device: string; atMs: number; isFree: boolean }[] = []
  return {
    take: (device) => {
      const now = clock.now()
      attempts = attempts.filter(({ atMs }) => now - atMs < HOUR_MS)
      if (attempts.some((one) => one.device === device && now - one.atMs < MINUTE_MS)) {
        throw new ClearingError({ what: 'one opening a minute is submitted for you' })
      }
      if (attempts.filter(({ isFree }) => !isFree).length >= PER_HOUR) {
        throw new ClearingError({ what: 'too many openings were submitted within the hour' })
      }
      const attempt = { device, atMs: now, isFree: false }
      attempts.push(attempt)
      return () => {
        attempt.isFree = true
      }
    },
  }
}
