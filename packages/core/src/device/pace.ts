import { pause } from '../abort.ts'
import type { Clock } from '../platform.ts'

/** Spreads bytes over time: who comes waits until those before it are paid off. */
export interface Pace {
  /** Resolves when so many more bytes may go. @throws the signal's reason */
  take(bytes: number, init?: { signal?: AbortSignal | undefined }): Promise<void>
}

/** @param bytesPerSecond null: as fast as it goes */
export function createPace(bytesPerSecond: number | null, clock: Clock): Pace {
  let freeAtMs = 0
  return {
    take: async (bytes, { signal } = {}) => {
      if (bytesPerSecond === null) return
      const now = clock.now()
      const waitMs = Math.max(0, freeAtMs - now)
      freeAtMs = Math.max(freeAtMs, now) + (1_000 * bytes) / bytesPerSecond
      if (waitMs > 0) await pause(clock, waitMs, signal)
    },
  }
}
