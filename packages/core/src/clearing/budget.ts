import { CeilingError } from '../errors.ts'
import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Prices } from '../wire/offer.ts'

/** What the owner lets borrowed answers cost, token units; null: as much as the deposits hold. */
export interface Ceilings {
  perRequest: bigint | null
  /** In any 24 hours. */
  perDay: bigint | null
  /** Highest price of an offer, for a million tokens of whatever kind. */
  perMillion?: bigint | null | undefined
}

/** What a borrowed answer would cost, before anybody is asked for it. */
export interface PriceQuote {
  prices: Prices
  promptTokens: number
  /** Most output tokens. */
  maxTokens: number
  /** Token units that it can come to. */
  atMost: bigint
}

/** Spent, or set aside for an answer that is running, by the hour since 1970 that it began in. */
export type Spending = Record<string, bigint>

/** Keeps borrowed answers below the owner's ceilings, all processes of the device together. */
export interface Budget {
  /**
   * Sets aside the most that an answer can cost, before anything leaves.
   * @param what for errors. @default 'the answer'
   * @throws CeilingError naming the ceiling that it would break
   */
  reserve(atMost: bigint, ceilings: Ceilings, what?: string): Promise<Reservation>
  /** Spent and set aside in the last 24 hours, token units. */
  spent(): Promise<bigint>
}

export interface Reservation {
  /** Gives back what the answer did not cost. A process that dies before it has spent it all. */
  close(cost: bigint): Promise<void>
}

export const UNLIMITED: Ceilings = { perRequest: null, perDay: null }

/** With a lower ceiling for one request; none raises what the owner set. */
export function withinCeilings(ceilings: Ceilings, maxPrice: bigint | undefined): Ceilings {
  const { perRequest } = ceilings
  if (maxPrice === undefined || (perRequest !== null && perRequest <= maxPrice)) return ceilings
  return { ...ceilings, perRequest: maxPrice }
}

const HOUR_MS = 3_600_000
const HOURS = 24
const ROW = 'borrowed'

export function createBudget(table: Table<Spending>, clock: Clock): Budget {
  const hourNow = () => Math.floor(clock.now() / HOUR_MS)

  return {
    reserve: async (atMost, { perRequest, perDay }, what = 'the answer') => {
      if (perRequest !== null && atMost > perRequest) {
        throw new CeilingError({
          what: `${what} may cost ${atMost} token units`,
          why: `you let one cost ${perRequest}`,
          next: 'Ask for fewer tokens, find a cheaper lender, or raise it: freehold wallet limits',
        })
      }
      const hour = hourNow()
      await table.update(ROW, (old = {}) => {
        const recent = recentOf(old, hour)
        const spent = sum(recent)
        if (perDay !== null && spent + atMost > perDay) {
          throw new CeilingError({
            what: `${what} may cost ${atMost} token units, and ${spent} are spent within a day`,
            why: `you let a day cost ${perDay}`,
            next: 'Wait, or raise it: freehold wallet limits',
          })
        }
        return { ...recent, [hour]: (recent[hour] ?? 0n) + atMost }
      })
      return {
        close: async (cost) => {
          await table.update(ROW, (old) => {
            const before = old?.[hour]
            if (before === undefined) return old
            return { ...old, [hour]: before - (atMost - (cost < atMost ? cost : atMost)) }
          })
        },
      }
    },
    spent: async () => sum(recentOf((await table.get(ROW)) ?? {}, hourNow())),
  }
}

/** The hours that 24 hours back from now reach into. */
function recentOf(spending: Spending, hour: number): Spending {
  return Object.fromEntries(Object.entries(spending).filter(([at]) => Number(at) >= hour - HOURS))
}

function sum(spending: Spending): bigint {
  return Object.values(spending).reduce((all, one) => all + one, 0n)
}
