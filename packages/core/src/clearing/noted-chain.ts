import type { Clock } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { Chain, Mined } from './chain.ts'

/** A transaction that this device sent and paid for. */
export interface TransactionRecord {
  hash: string
  /** What it was for. */
  purpose: 'open' | 'settle' | 'leave' | 'refund' | 'withdraw'
  /** When it was seen in a block, ms since 1970. */
  atMs: number
  gasUsed: bigint
  feeWei: bigint
}

/** A chain that writes down what each transaction cost; what is not written down is still done. */
export function noteTransactions(
  chain: Chain,
  { transactions, clock }: { transactions: Table<TransactionRecord>; clock: Clock },
): Chain {
  const noted = async <T extends Mined>(
    purpose: TransactionRecord['purpose'],
    sending: Promise<T>,
  ): Promise<T> => {
    const mined = await sending
    const { hash, gasUsed, feeWei } = mined
    await transactions.put(hash, { hash, purpose, atMs: clock.now(), gasUsed, feeWei })
    return mined
  }
  return {
    ...chain,
    openWithAuthorization: (leave) => noted('open', chain.openWithAuthorization(leave)),
    settleMany: (rows) => noted('settle', chain.settleMany(rows)),
    requestClose: (config) => noted('leave', chain.requestClose(config)),
    finalizeClose: (config) => noted('refund', chain.finalizeClose(config)),
    withdraw: (to, amount) => noted('withdraw', chain.withdraw(to, amount)),
  }
}
