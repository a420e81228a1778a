import type { Hex } from 'viem'
import type { Clock } from '../platform.ts'

/** How long a device that was handed what a ring needs may take to have it on the chain. */
const HOLD_MS = 30_000

/**
 * Who is putting which channel into a ring: two that submitted the same debts at once would both pay
 * gas, and one for nothing. No promise to anybody, and gone with the process.
 */
export interface RingHolds {
  /**
   * Takes a channel for a ring of `by`, a device key in hex. Where this device and another want it at
   * once the lower key goes first, so that not both give way.
   * @returns false when somebody else has it
   */
  take(id: Hex, by: string): boolean
  /** Gives back all that `by` has. */
  release(by: string): void
}

export function createRingHolds(own: string, clock: Clock): RingHolds {
  const holds = new Map<Hex, { by: string; untilMs: number }>()
  const holderOf = (id: Hex): string | undefined => {
    const hold = holds.get(id)
    return hold && hold.untilMs > clock.now() ? hold.by : undefined
  }
  return {
    take: (id, by) => {
      const holder = holderOf(id)
      const givesWay = holder === own && by < own
      if (holder !== undefined && holder !== by && !givesWay) return false
      holds.set(id, { by, untilMs: clock.now() + HOLD_MS })
      return true
    },
    release: (by) => {
      for (const [id, hold] of holds) if (hold.by === by) holds.delete(id)
    },
  }
}
