import type { Hex } from 'viem'
import type { Clock, Log } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Chain, ChannelOnChain, Mined, SettlementRow } from './chain.ts'
import type { ChannelRecord } from './channel.ts'
import { settleable } from './voucher.ts'
import { settlingWorth, type WorthInit } from './worth.ts'

/** Rows in one transaction: about 20 k gas each, so that 100 stay far below a block. */
const MAX_ROWS = 100
/** A deep close that is still there after so long stays. */
const CLOSE_MS = 3_600_000

/** Why a keeper settles now. */
export type SettleCause = 'asked' | 'worth-it' | 'exit-requested' | 'age'

export interface KeeperInit extends WorthInit {
  /** Settle at the latest this long after the first unsettled voucher was seen. */
  maxAgeMs: number
}

export interface Settlement {
  cause: SettleCause
  /** Channels whose vouchers went in. */
  vouchers: number
  /** Token units that landed in the payee's ledger balance. */
  amount: bigint
  transactions: Mined[]
  skipped: Hex[]
}

/** Looks after a device's channels on the chain: keeps the view fresh, settles when it is time. */
export interface Keeper {
  /**
   * Reads every channel anew that is open, or whose close may still be undone. Unreachable chain: leaves
   * the old view, which then ages.
   */
  refresh(): Promise<void>
  /** Settles if it is time, or at once with `asked`. @returns null when there is nothing to do */
  settle(asked?: boolean): Promise<Settlement | null>
}

/**
 * Applies what the chain says to a record.
 * @param isSettlement this device just settled it: whatever was added to the deposit is no set-off
 */
export function seeChannel(
  record: ChannelRecord,
  seen: ChannelOnChain,
  nowMs: number,
  isSettlement = false,
): ChannelRecord {
  const open = seen.exitRequestedAt > 0 ? 'exiting' : 'open'
  // A channel that the chain does not know yet, or not any more: its opening was reorganised away,
  // or the node that was asked lags behind. Either may pass, so the vouchers are not given up.
  const status = seen.status === 'open' ? open : seen.status === 'closed' ? 'closed' : 'opening'
  const { closedAtMs = nowMs, ...rest } = record
  return {
    ...rest,
    status,
    ...(status === 'closed' && !seen.isCloseYoung && { closedAtMs }),
    exitDueAtMs: status === 'exiting' ? (seen.exitRequestedAt + record.config.delay) * 1_000 : null,
    deposit: seen.deposit,
    confirmedDeposit: seen.confirmedDeposit,
    settled: seen.settled,
    cleared: clear(record, seen, nowMs, isSettlement),
    seenAtMs: nowMs,
  }
}

/**
 * A set-off puts into the deposit what it settles, and nothing else that others do does both. What a
 * reorganisation took away is booked as less than nothing, so that the days stay the whole.
 */
function clear(
  { cleared, deposit, settled }: ChannelRecord,
  seen: ChannelOnChain,
  nowMs: number,
  isSettlement: boolean,
): ChannelRecord['cleared'] {
  const more = seen.settled - settled
  if (more === 0n) return cleared
  const added = seen.deposit - deposit
  const isBoth = !isSettlement && settled + deposit > 0n && more > 0n && added > 0n
  const setOff = isBoth ? (added < more ? added : more) : 0n
  const day = new Date(nowMs).toISOString().slice(0, 10)
  const before = cleared[day] ?? { settled: 0n, setOff: 0n }
  const now = { settled: before.settled + more - setOff, setOff: before.setOff + setOff }
  return { ...cleared, [day]: now }
}

/** Closed, and seen so again when no reorganisation could undo the close any more. */
function isClosedForGood({ status, seenAtMs, closedAtMs }: ChannelRecord): boolean {
  return status === 'closed' && closedAtMs !== undefined && seenAtMs - closedAtMs >= CLOSE_MS
}

/** What the contract would pay on a channel now. */
export function unsettled(record: ChannelRecord): bigint {
  const worth = record.cumulative < record.deposit ? record.cumulative : record.deposit
  return worth > record.settled ? worth - record.settled : 0n
}

export function createKeeper(
  init: KeeperInit,
  components: { channels: Table<ChannelRecord>; chain: Chain; clock: Clock; log: Log },
): Keeper {
  const { channels, chain, clock, log } = components
  /**
   * Vouchers that the contract would not take, by channel: the same one is not paid for again until
   * the chain says something else of the channel, such as that its opening is there again.
   */
  const refused = new Map<string, Pick<ChannelRecord, 'cumulative' | 'status'>>()
  const isRefused = ({ id, cumulative, status }: ChannelRecord) => {
    const before = refused.get(id)
    return before?.cumulative === cumulative && before.status === status
  }

  async function refresh(): Promise<void> {
    for (const [id, record] of await channels.list()) {
      if (isClosedForGood(record)) continue
      try {
        const seen = await chain.channel(record.id)
        await channels.update(id, (old) => old && seeChannel(old, seen, clock.now()))
      } catch (error) {
        log('chain.unreachable', { channel: id, error: String(error) })
      }
    }
  }

  async function causeOf(owed: readonly ChannelRecord[]): Promise<SettleCause | null> {
    const now = clock.now()
    const total = owed.reduce((sum, record) => sum + unsettled(record), 0n)
    if (owed.some((record) => record.status === 'exiting')) return 'exit-requested'
    const isOld = owed.some(({ owedSinceMs = now }) => now - owedSinceMs >= init.maxAgeMs)
    if (isOld) return 'age'
    const worth = await settlingWorth(init, owed.length, chain.orders)
    return total >= worth ? 'worth-it' : null
  }

  async function settle(asked = false): Promise<Settlement | null> {
    const owed = (await channels.list())
      .map(([, record]) => record)
      .filter((record) => record.role === 'payee' && record.signature !== null)
      .filter((record) => record.status !== 'closed' && unsettled(record) > 0n)
      .filter((record) => asked || !isRefused(record))
    for (const { id, owedSinceMs } of owed) {
      // On disk: a device that never runs for so long at a stretch still settles what is old.
      if (owedSinceMs === undefined) {
        await channels.update(id, (old) => old && { ...old, owedSinceMs: clock.now() })
      }
    }
    const cause = owed.length === 0 ? null : asked ? 'asked' : await causeOf(owed)
    if (cause === null) return null
    const done: Settlement = { cause, vouchers: 0, amount: 0n, transactions: [], skipped: [] }
    for (let i = 0; i < owed.length; i += MAX_ROWS) {
      const part = owed.slice(i, i + MAX_ROWS)
      const rows = await Promise.all(part.map(toRow))
      const { skipped, ...transaction } = await chain.settleMany(rows)
      done.transactions.push(transaction)
      done.skipped.push(...skipped)
      for (const before of part) {
        const seen = await chain.channel(before.id)
        await channels.update(before.id, (old) => {
          if (old === undefined) return undefined
          const { owedSinceMs: _, ...rest } = seeChannel(old, seen, clock.now(), true)
          return rest
        })
        done.amount += seen.settled - before.settled
        if (skipped.includes(before.id)) {
          const { status } = seeChannel(before, seen, clock.now())
          refused.set(before.id, { cumulative: before.cumulative, status })
        } else done.vouchers++
      }
    }
    return done
  }

  return { refresh, settle }
}

async function toRow(record: ChannelRecord): Promise<SettlementRow> {
  const { config, cumulative } = record
  return { config, cumulative, signature: await settleable(record) }
}
