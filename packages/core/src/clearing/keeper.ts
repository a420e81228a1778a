import type { Hex } from 'viem'
import type { Clock, Log } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Chain, ChannelOnChain, Mined, SettlementRow } from './chain.ts'
import type { ChannelRecord } from './channel.ts'
import { settleable } from './voucher.ts'

/** Rows in one transaction: about 20 k gas each, so that 100 stay far below a block. */
const MAX_ROWS = 100

/** Why a keeper settles now. */
export type SettleCause = 'asked' | 'worth-it' | 'exit-requested' | 'age'

export interface KeeperInit {
  /** Settle when what is unsettled reaches this many token units. */
  worthUnits: bigint
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
  /** Reads every open channel anew. Unreachable chain: leaves the old view, which then ages. */
  refresh(): Promise<void>
  /** Settles if it is time, or at once with `asked`. @returns null when there is nothing to do */
  settle(asked?: boolean): Promise<Settlement | null>
}

/** Applies what the chain says to a record. */
export function seeChannel(
  record: ChannelRecord,
  seen: ChannelOnChain,
  nowMs: number,
): ChannelRecord {
  const open = seen.exitRequestedAt > 0 ? 'exiting' : 'open'
  // A channel that the chain does not know yet, or not any more: its opening was reorganised away,
  // or the node that was asked lags behind. Either may pass, so the vouchers are not given up.
  const status = seen.status === 'open' ? open : seen.status === 'closed' ? 'closed' : 'opening'
  return {
    ...record,
    status,
    exitDueAtMs: status === 'exiting' ? (seen.exitRequestedAt + record.config.delay) * 1_000 : null,
    deposit: seen.deposit,
    settled: seen.settled,
    seenAtMs: nowMs,
  }
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
  const firstSeenMs = new Map<string, number>()
  /** Vouchers that the contract would not take, by channel: the same one is not paid for again. */
  const refused = new Map<string, bigint>()

  async function refresh(): Promise<void> {
    for (const [id, record] of await channels.list()) {
      if (record.status === 'closed') continue
      try {
        const seen = await chain.channel(record.id)
        await channels.update(id, (old) => old && seeChannel(old, seen, clock.now()))
      } catch (error) {
        log('chain.unreachable', { channel: id, error: String(error) })
      }
    }
  }

  function causeOf(owed: readonly ChannelRecord[]): SettleCause | null {
    const now = clock.now()
    const total = owed.reduce((sum, record) => sum + unsettled(record), 0n)
    if (owed.some((record) => record.status === 'exiting')) return 'exit-requested'
    if (total >= init.worthUnits) return 'worth-it'
    const isOld = owed.some(({ id }) => now - (firstSeenMs.get(id) ?? now) >= init.maxAgeMs)
    return isOld ? 'age' : null
  }

  async function settle(asked = false): Promise<Settlement | null> {
    const owed = (await channels.list())
      .map(([, record]) => record)
      .filter((record) => record.role === 'payee' && record.signature !== null)
      .filter((record) => record.status !== 'closed' && unsettled(record) > 0n)
      .filter(({ id, cumulative }) => asked || refused.get(id) !== cumulative)
    for (const { id } of owed) if (!firstSeenMs.has(id)) firstSeenMs.set(id, clock.now())
    const cause = owed.length === 0 ? null : asked ? 'asked' : causeOf(owed)
    if (cause === null) return null
    const done: Settlement = { cause, vouchers: 0, amount: 0n, transactions: [], skipped: [] }
    for (let i = 0; i < owed.length; i += MAX_ROWS) {
      const part = owed.slice(i, i + MAX_ROWS)
      const rows = await Promise.all(part.map(toRow))
      const { skipped, ...transaction } = await chain.settleMany(rows)
      done.transactions.push(transaction)
      done.skipped.push(...skipped)
      for (const before of part) {
        firstSeenMs.delete(before.id)
        const seen = await chain.channel(before.id)
        await channels.update(before.id, (old) => old && seeChannel(old, seen, clock.now()))
        done.amount += seen.settled - before.settled
        if (skipped.includes(before.id)) refused.set(before.id, before.cumulative)
        else done.vouchers++
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
