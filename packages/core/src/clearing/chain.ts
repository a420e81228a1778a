import type { Address, Hex } from 'viem'
import type { SignedOrder } from '../wire/relay-messages.ts'
import type { OrderFor } from './orders.ts'
import type { ChannelConfig, House } from './typed-data.ts'

/** What a person does who has none. */
export const NAME_A_CHAIN = 'Name one in the settings or with --chain'

/** A channel as the contract sees it. Amounts in token units. */
export interface ChannelOnChain {
  deposit: bigint
  /** The deposit as of so many blocks ago that no reorganisation takes it away; 0 while it is younger. */
  confirmedDeposit: bigint
  settled: bigint
  status: 'none' | 'open' | 'closed'
  /** It is closed, but was not so many blocks ago: a reorganisation may open it again. */
  isCloseYoung: boolean
  /** Seconds since 1970; 0 while no exit was requested. */
  exitRequestedAt: number
}

/** A payer's leave to move `amount` into a channel, submitted by somebody who holds native coin. */
export interface OpenAuthorization {
  config: ChannelConfig
  amount: bigint
  /** Seconds since 1970. */
  validAfter: number
  validBefore: number
  /** EIP-3009 signature of the payer, whose nonce is bound to the channel id. */
  signature: Hex
}

/** A channel as its opening event tells. */
export interface OpeningOnChain {
  id: Hex
  config: ChannelConfig
}

export interface SettlementRow {
  config: ChannelConfig
  cumulative: bigint
  signature: Hex
}

/** One channel of a ring that is set off: what its payer owes its payee, signed by both. */
export interface Debt {
  config: ChannelConfig
  /** Total of the voucher, and of the acknowledgement. */
  total: bigint
  /** Unix seconds up to which the acknowledgement holds. */
  deadline: number
  /** 65 bytes each: the channel's signer's, and its payee's. */
  voucher: Hex
  acknowledgement: Hex
}

/** A transaction that is in a block. */
export interface Mined {
  hash: Hex
  blockNumber: bigint
  gasUsed: bigint
  /** Paid for it in wei of the native coin. */
  feeWei: bigint
}

/** The chain as a device needs it. Never called on the path of an answer. All may throw `ChainError`. */
export interface Chain {
  readonly house: House
  readonly token: Address
  channel(id: Hex, init?: { signal?: AbortSignal }): Promise<ChannelOnChain>
  /**
   * Channels that an account pays or is paid by, in the order of their openings: from the contract's
   * events, asked for by ranges that shrink until the node allows them.
   * @param fromBlock nothing is looked for before it
   * @returns these, and the last block that was looked at
   */
  openings(
    account: Address,
    init?: { fromBlock?: bigint | undefined; signal?: AbortSignal | undefined },
  ): Promise<{ found: OpeningOnChain[]; untilBlock: bigint }>
  /** Token units in the account's wallet, in the house's ledger, and wei of native coin. */
  balances(account: Address): Promise<{ wallet: bigint; ledger: bigint; native: bigint }>
  /** Signs an EIP-3009 leave to open; costs nothing and touches no chain state. */
  authorizeOpen(config: ChannelConfig, amount: bigint): Promise<OpenAuthorization>
  /** Submits another's leave, paying the gas. @throws ClearingError when the contract would refuse */
  openWithAuthorization(leave: OpenAuthorization): Promise<Mined>
  /** Settles what holds and skips what does not. @returns ids that were skipped */
  settleMany(rows: readonly SettlementRow[]): Promise<Mined & { skipped: Hex[] }>
  /**
   * Cancels `amount` on each debt of a ring; each payee is the payer of the next.
   * @throws ClearingError when the contract would refuse: nothing is sent then
   */
  setOff(ring: readonly Debt[], amount: bigint): Promise<Mined>
  /** What `setOff` would cost now, at most. Sends nothing. @throws ClearingError as `setOff` does */
  setOffCost(ring: readonly Debt[], amount: bigint): Promise<{ gas: bigint; feeWei: bigint }>
  /** Payer only: starts the exit delay. */
  requestClose(config: ChannelConfig): Promise<Mined>
  /** Anyone, after the delay. */
  finalizeClose(config: ChannelConfig): Promise<Mined>
  /** Moves ledger balance to an address. */
  withdraw(to: Address, amount: bigint): Promise<Mined>
  /** Orders that one account signs and another may submit. */
  readonly orders: ChainOrders
}

/** What a chain does with signed orders. All may throw `ChainError`. */
export interface ChainOrders {
  /** The contract's clock, which deadlines are held against: seconds since 1970 at the latest block. */
  timeSeconds(): Promise<number>
  /** The nonce that an account's next order carries. */
  nonce(account: Address): Promise<number>
  /** How often exits of a channel were called off. */
  cancelledExits(id: Hex): Promise<number>
  /** Signs an order out of this account's wallet (EIP-3009). */
  authorize(signed: OrderFor): Promise<SignedOrder>
  /** Present price of gas. */
  weiPerGas(): Promise<bigint>
  /**
   * @param settleFirst settled before it in the simulation
   * @returns gas that submitting all would take
   * @throws ClearingError when the contract would refuse
   */
  simulate(signed: Omit<OrderFor, 'house'>, settleFirst: readonly SettlementRow[]): Promise<bigint>
  /** Submits it, paying the gas. @throws ClearingError when the contract would refuse */
  submit(signed: Omit<OrderFor, 'house'>): Promise<Mined>
  /** Whether it, or one that shuts it out, is on the chain: by state alone, whoever submitted it. */
  isDone(signed: OrderFor): Promise<boolean>
  /** The transaction of this hash, if it is in a block and has to do with the order. */
  shows(hash: Hex, signed: OrderFor): Promise<Mined | null>
}
