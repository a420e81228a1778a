import type { Hex } from 'viem'
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
}

/** What a payee hands to a watcher: the vouchers that are worth something. */
export async function vouchersToWatch(
  records: readonly ChannelRecord[],
): Promise<WatchedVoucher[]> {
  const owed = records.filter(
    (record) => record.role === 'payee' && record.signature !== null && unsettled(record) > 0n,
  )
  return Promise.all(
    owed.map(async (record) => {
      const { id, config, cumulative } = record
      return { id, config, cumulative, signature: await settleable(record) }
    }),
  )
}

/**
 * Settles the vouchers of channels whose payer has asked for its exit.
 * @returns null when none has, or all are settled; `skipped`: what the contract does not take
 */
export async function settleExits(
  vouchers: readonly WatchedVoucher[],
  chain: Chain,
): Promise<(Mined & { vouchers: number; skipped: Hex[] }) | null> {
  const due: WatchedVoucher[] = []
  for (const voucher of vouchers) {
    const seen = await chain.channel(voucher.id)
    const worth = voucher.cumulative < seen.deposit ? voucher.cumulative : seen.deposit
    if (seen.status === 'open' && seen.exitRequestedAt > 0 && worth > seen.settled)
      due.push(voucher)
  }
  if (due.length === 0) return null
  const { skipped, ...mined } = await chain.settleMany(due)
  return { ...mined, vouchers: due.length - skipped.length, skipped }
}
