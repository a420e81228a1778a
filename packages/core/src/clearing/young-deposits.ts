import type { Table } from '../storage.ts'
import type { ChannelRecord } from './channel.ts'
import { reservedAmount } from './meter.ts'

/** Whether some of a deposit may still be reorganised away. */
export function isYoung({ deposit, confirmedDeposit }: ChannelRecord): boolean {
  return deposit > confirmedDeposit
}

/**
 * How much of a cap on young deposits a channel may still use, all that pay this device together: a
 * payer with many keys has no more than one with one key.
 */
export async function youngLeft(
  channels: Table<ChannelRecord>,
  id: string,
  capUnits: bigint,
): Promise<bigint> {
  let left = capUnits
  for (const [other, record] of await channels.list()) {
    if (other !== id) left -= restingOnYoung(record)
  }
  return left > 0n ? left : 0n
}

/** What was answered, or may be, for a deposit that can still go. What has gone already is no risk any more. */
function restingOnYoung(record: ChannelRecord): bigint {
  const { role, status, deposit, confirmedDeposit } = record
  const isThere = status === 'open' || status === 'exiting'
  if (role !== 'payee' || !isThere || !isYoung(record)) return 0n
  const reserved = reservedAmount(record)
  const resting = (reserved < deposit ? reserved : deposit) - confirmedDeposit
  return resting > 0n ? resting : 0n
}
