import { LendingError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'

/** Bytes that were seeded on one day. */
export interface SeededDay {
  /** Days since 1970, UTC. */
  day: number
  bytes: number
}

/** How many bytes of models may leave this device in one day. */
export interface SeedAllowance {
  /** @throws LendingError `limit` when the day's are used up, or this device had its share */
  take(device: string, bytes: number): Promise<void>
}

const DAY_MS = 86_400_000
/** Set aside on the disk at once: a crash costs the day so much, and a chunk costs no write. */
const STEP_BYTES = 64 * 1024 * 1024
const ROW = 'day'

/** @param perDevice of the day’s, what one device may have */
export function createSeedAllowance(
  { perDay, perDevice }: { perDay: number; perDevice: number },
  { table, clock }: { table: Table<SeededDay>; clock: Clock },
): SeedAllowance {
  const taken = new Map<string, number>()
  let today = -1
  let left = 0

  async function refill(day: number, bytes: number): Promise<void> {
    let got = 0
    await table.update(ROW, (old) => {
      const used = old?.day === day ? old.bytes : 0
      got = Math.min(Math.max(STEP_BYTES, bytes), perDay - used)
      return got > 0 ? { day, bytes: used + got } : old
    })
    left += Math.max(0, got)
  }

  return {
    take: async (device, bytes) => {
      const day = Math.floor(clock.now() / DAY_MS)
      if (day !== today) {
        taken.clear()
        left = 0
        today = day
      }
      const own = (taken.get(device) ?? 0) + bytes
      if (own > perDevice) usedUp('this device had its share for today')
      if (left < bytes) await refill(day, bytes)
      if (left < bytes) usedUp('nothing more is seeded here today')
      left -= bytes
      taken.set(device, own)
    },
  }
}

function usedUp(what: string): never {
  throw new LendingError('limit', { what })
}
