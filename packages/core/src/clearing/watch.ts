import type { Hex } from 'viem'
import type { Clock } from '../platform.ts'
import type { Chain, Mined, SettlementRow } from './chain.ts'
import type { ChannelRecord } from './channel.ts'
import { unsettled } from './keeper.ts'
import { settleable } from './voucher.ts'

/**
 * The best voucher of a channel, as somebody else can settle it while its payee is away: it pays the
 * payee's ledger balance, whoever submits it, and says nothing but amounts.
 */
export interface WatchedVoucher extends SettlementRow {
  id: Hex
  /** Since when it is owed, ms since 1970: as its keeper saw it, else when it was handed over. */
  owedSinceMs: number
}

/** What a payee hands to a watcher: the vouchers that are worth something. */
export async function vouchersToWatch(
  records: readonly ChannelRecord[],
  clock: Clock,
): Promise<WatchedVoucher[]> {
  const owed = records.filter(
    (record) => record.role === 'payee' && record.signature !== null && unsettled(record) > 0n,
  )
  return Promise.all(
    owed.map(async (record) => {
      const { id, config, cumulative, owedSinceMs = clock.now() } = record
      return { id, config, cumulative, owedSinceMs, signature: await settleable(record) }
    }),
  )
}

/**
 * Settles the vouchers of channels whose payer has asked for its exit, and what is old, as a keeper does.
 * @param init.maxAgeMs a voucher is old that is owed for so long; without it none is
 * @returns null when it is time for none, or all are settled; `skipped`: what the contract does not take
 */
export async function settleWatched(
  vouchers: readonly WatchedVoucher[],
  { chain, clock }: { chain: Chain; clock: Clock },
  { maxAgeMs = Infinity }: { maxAgeMs?: number | undefined } = {},
): Promise<(Mined & { vouchers: number; skipped: Hex[] }) | null> {
  const owed: (WatchedVoucher & { isExiting: boolean })[] = []
  for (const voucher of vouchers) {
    const seen = await chain.channel(voucher.id)
    const worth = voucher.cumulative < seen.deposit ? voucher.cumulative : seen.deposit
    if (seen.status !== 'open' || worth <= seen.settled) continue
    owed.push({ ...voucher, isExiting: seen.exitRequestedAt > 0 })
  }
  const isOld = owed.some(({ owedSinceMs }) => clock.now() - owedSinceMs >= maxAgeMs)
  // One transaction pays for all, so what is younger goes along.
  const due = isOld ? owed : owed.filter(({ isExiting }) => isExiting)
  if (due.length === 0) return null
  const { skipped, ...mined } = await chain.settleMany(due)
  return { ...mined, vouchers: due.length - skipped.length, skipped }
}
