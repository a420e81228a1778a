import { ClearingError } from '../errors.ts'
import type { Clock } from '../platform.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Attempts of everybody within the hour that cost no gas: each asks the chain, and keys cost nothing. */
const FREE_PER_PAID = 10

/** What is submitted for others: keys cost nothing, gas does. */
export interface RelayLimits {
  perDevice: number
  /** Within which `perDevice` counts. */
  windowMs: number
  /** In one hour for everybody. */
  perHour: number
  /** What a device hears that asks too often. */
  tooSoon: string
}

/** Openings of channels to this device: their fee is only owed. */
export const OPENINGS: RelayLimits = {
  perDevice: 1,
  windowMs: MINUTE_MS,
  perHour: 60,
  tooSoon: 'one opening a minute is submitted for you',
}

/** Orders that pay for themselves. */
export const PAID_ORDERS: RelayLimits = {
  perDevice: 6,
  windowMs: 10 * MINUTE_MS,
  perHour: 120,
  tooSoon: 'six orders within ten minutes are submitted for you',
}

/** Leaving is free: whoever opened the channel paid more for that than this costs. */
export const FREE_ORDERS: RelayLimits = {
  perDevice: 2,
  windowMs: 10 * MINUTE_MS,
  perHour: 30,
  tooSoon: 'two exits within ten minutes are submitted for you',
}

/** Who had something submitted, and when: the lender pays its gas. */
export interface RelayLimit {
  /**
   * Notes one attempt: so many for each device, and a number an hour in all.
   * @returns what takes it out of the hour's number again, when it cost no gas
   * @throws ClearingError when it is too soon
   */
  take(device: string): () => void
}

export function createRelayLimit(limits: RelayLimits, clock: Clock): RelayLimit {
  let attempts: { device: string; atMs: number; isFree: boolean }[] = []
  return {
    take: (device) => {
      const now = clock.now()
      attempts = attempts.filter(({ atMs }) => now - atMs < HOUR_MS)
      const own = attempts.filter(
        (one) => one.device === device && now - one.atMs < limits.windowMs,
      )
      if (own.length >= limits.perDevice) throw new ClearingError({ what: limits.tooSoon })
      const paid = attempts.filter(({ isFree }) => !isFree).length
      if (paid >= limits.perHour || attempts.length >= FREE_PER_PAID * limits.perHour) {
        throw new ClearingError({ what: 'too many were submitted within the hour' })
      }
      const attempt = { device, atMs: now, isFree: false }
      attempts.push(attempt)
      return () => {
        attempt.isFree = true
      }
    },
  }
}
