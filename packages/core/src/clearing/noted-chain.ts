import type { Address } from 'viem'
import { to0x } from '../bytes.ts'
import type { Clock, Log } from '../platform.ts'
import type { Table } from '../storage.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'
import type { Chain, Mined } from './chain.ts'

/** A transaction that this device sent and paid for. */
export interface TransactionRecord {
  hash: string
  /** What it was for; `relay` is what somebody else signed. */
  purpose:
    | 'open'
    | 'top-up'
    | 'deposit'
    | 'settle'
    | 'set-off'
    | 'leave'
    | 'refund'
    | 'withdraw'
    | 'relay'
  /** When it was seen in a block, ms since 1970. */
  atMs: number
  gasUsed: bigint
  feeWei: bigint
}

type Purpose = TransactionRecord['purpose']

const PURPOSES = {
  openFromLedger: 'open',
  topUpFromLedger: 'top-up',
  topUpFromWallet: 'top-up',
  depositFromWallet: 'deposit',
  requestClose: 'leave',
  finalizeClose: 'refund',
  withdraw: 'withdraw',
} as const satisfies Record<SignedOrder['kind'], Purpose>

/**
 * A chain that writes down what each transaction cost; what is not written down is still done.
 * @param components.account this device's own; what others signed was sent for them
 */
export function noteTransactions(
  chain: Chain,
  {
    account,
    transactions,
    clock,
    log,
  }: { account: Address | null; transactions: Table<TransactionRecord>; clock: Clock; log: Log },
): Chain {
  const noted = async <T extends Mined>(purpose: Purpose, sending: Promise<T>): Promise<T> => {
    const mined = await sending
    const { hash, gasUsed, feeWei } = mined
    const row = { hash, purpose, atMs: clock.now(), gasUsed, feeWei }
    // It is in a block: whoever heard of a failure now would send it again.
    await transactions
      .put(hash, row)
      .catch((error) => log('transactions.unnoted', { hash, error: String(error) }))
    return mined
  }
  const isOwn = (signer: string) => signer.toLowerCase() === account?.toLowerCase()
  const purposeOf = (order: SignedOrder): Purpose => {
    const signer = 'account' in order ? order.account : order.config.payer
    return isOwn(to0x(signer)) ? PURPOSES[order.kind] : 'relay'
  }
  const { orders } = chain
  return {
    ...chain,
    openWithAuthorization: (leave) =>
      noted(isOwn(leave.config.payer) ? 'open' : 'relay', chain.openWithAuthorization(leave)),
    settleMany: (rows) => noted('settle', chain.settleMany(rows)),
    setOff: (ring, amount) => noted('set-off', chain.setOff(ring, amount)),
    requestClose: (config) => noted('leave', chain.requestClose(config)),
    finalizeClose: (config) => noted('refund', chain.finalizeClose(config)),
    withdraw: (to, amount) => noted('withdraw', chain.withdraw(to, amount)),
    orders: {
      ...orders,
      submit: (signed) => noted(purposeOf(signed.order), orders.submit(signed)),
    },
  }
}
