import { InvalidArgumentError } from 'commander'
import { durationMs } from '../http/duration.ts'

/** Reads the value of an option that is a duration, in ms. */
export function duration(text: string): number {
  try {
    return durationMs(text)
  } catch {
    throw new InvalidArgumentError('It is like 5m, 300 (seconds) or -1 (for good).')
  }
}

/** The same, where it must end. */
export function finiteDuration(text: string): number {
  try {
    const ms = durationMs(text)
    if (Number.isFinite(ms)) return ms
  } catch {}
  throw new InvalidArgumentError('It is like 30m or 24h.')
}
