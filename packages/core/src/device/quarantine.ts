import type { EndReason } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'

/** How often a lender failed of late, by how; see `createQuarantine`. */
export type QuarantineRecord = Partial<Record<EndReason, Offence>>

interface Offence {
  /** Failures, each halved with every `HALF_LIFE_MS` that has passed since. */
  weight: number
  atMs: number
}

/** Which lenders are left alone for a while, since they failed lately. */
export interface Quarantine {
  /** Books how an answer ended with a lender. @param device its key, hex */
  note(device: string, end: EndReason | 'receipt'): Promise<void>
  /**
   * For how long it is left alone; whether it broke the protocol, so that it is no last resort either;
   * whether it failed a moment ago, so that not even its offer is asked for.
   */
  look(device: string): Promise<{ leftMs: number; isLiar: boolean; isFresh: boolean }>
}

/** Quarantine of a first offence. Refusals are no offence: who is asked may say no. */
const FIRST_MS: Partial<Record<EndReason, number>> = {
  lost: 15_000,
  deadline: 15_000,
  stall: 15_000,
  engine: 15_000,
  protocol: 10 * 60_000,
}
/** It doubles with each further one, up to this. */
const MOST_MS = 6 * 3_600_000
const HALF_LIFE_MS = 10 * 60_000
const FRESH_MS = 15_000
/** Answers that break off together have broken off once. */
const SAME_MS = 5_000

/** Keeps on disk, for each lender and cause, a count that decays. */
export function createQuarantine(table: Table<QuarantineRecord>, clock: Clock): Quarantine {
  return {
    note: async (device, end) => {
      if (end === 'receipt') {
        // It is there and it works. That it lied it has still done.
        await table.update(device, (old) => {
          if (old === undefined || Object.keys(old).every((cause) => cause === 'protocol'))
            return old
          return old.protocol && { protocol: old.protocol }
        })
        return
      }
      if (FIRST_MS[end] === undefined) return
      const atMs = clock.now()
      await table.update(device, (old = {}) => {
        const before = old[end]
        const ageMs = before === undefined ? Infinity : Math.abs(atMs - before.atMs)
        if (ageMs < SAME_MS) return old
        return { ...old, [end]: { weight: 1 + decayed(before, ageMs), atMs } }
      })
    },
    look: async (device) => {
      const offences = Object.entries((await table.get(device)) ?? {}) as [EndReason, Offence][]
      const left = offences.map(([cause, offence]) => ({
        cause,
        ageMs: clock.now() - offence.atMs,
        leftMs: offence.atMs + lengthMs(cause, offence) - clock.now(),
      }))
      // A clock that was set back shall not prolong it.
      const active = left.filter(({ leftMs }) => leftMs > 0 && leftMs <= MOST_MS)
      return {
        leftMs: Math.max(0, ...active.map(({ leftMs }) => leftMs)),
        isLiar: active.some(({ cause }) => cause === 'protocol'),
        isFresh: active.some(({ ageMs }) => ageMs < FRESH_MS),
      }
    },
  }
}

function decayed(offence: Offence | undefined, ageMs: number): number {
  return offence === undefined ? 0 : offence.weight * 2 ** (-ageMs / HALF_LIFE_MS)
}

function lengthMs(cause: EndReason, { weight }: Offence): number {
  return Math.min(MOST_MS, (FIRST_MS[cause] ?? 0) * 2 ** (weight - 1))
}
