import type { Address, Hex } from 'viem'
import type { VoucherFrame } from '../wire/frames.ts'
import type { Prices } from '../wire/offer.ts'
import type { ChannelConfig, House } from './typed-data.ts'

/**
 * What one answer owes on its channel. It is `streaming` while tokens come; at its end the unpaid
 * tail is `held` until the audit coin has fallen; then it is paid and folded into the channel, or
 * stays as `withheld` (a failing verdict) or `unpaid` (the deadline passed without a word).
 */
export interface AnswerMeter {
  prices: Prices
  promptTokens: number
  cachedTokens: number
  /** Most output tokens this answer may still come to; reserved on the channel. */
  maxTokens: number
  /** Output tokens under the lender's last signature. */
  signedTokens: number
  /** Output tokens paid by voucher. */
  paidTokens: number
  isPromptPaid: boolean
  state: 'streaming' | 'held' | 'withheld' | 'unpaid'
  /** When it began, ms since 1970: whoever finds it streaming can tell whether it still may. */
  startedAtMs: number
  /** Latest time for the hold-back, ms since 1970; null while streaming. */
  holdBackUntilMs: number | null
}

/** What both sides book of an answer before its first token. */
export interface NewAnswer
  extends Pick<AnswerMeter, 'prices' | 'promptTokens' | 'maxTokens' | 'startedAtMs'> {
  reqId: Uint8Array
}

/** One device's view of a channel, as payer or as payee. */
export interface ChannelRecord {
  id: Hex
  role: 'payer' | 'payee'
  /** Device key of the other side, hex. */
  peer: string
  house: House
  token: Address
  config: ChannelConfig
  /** From the last look at the chain, token units. */
  deposit: bigint
  /** What of it was there so many blocks ago that it stays. */
  confirmedDeposit: bigint
  settled: bigint
  status: 'opening' | 'open' | 'exiting' | 'closed'
  /** When a requested exit may be completed, ms since 1970; null while none was seen. */
  exitDueAtMs: number | null
  /** When the chain was last seen, ms since 1970. */
  seenAtMs: number
  /** When it was first seen closed so deep that the close stays, ms since 1970; absent while it was not. */
  closedAtMs?: number
  /** When the keeper first saw something unsettled on it, ms since 1970; absent once it settled. */
  owedSinceMs?: number
  /** Highest voucher signed (payer) or received (payee); rises only. */
  cumulative: bigint
  /** Of that voucher, on the payee's side; a payer can sign it again. */
  signature: Hex | null
  /** Owed in whole token units for relaying the opening. */
  relayFee: bigint
  /** Σ tokens × price of finished and paid answers, in millionths of a token unit. */
  paidRaw: bigint
  /** Answers that are not finished, by request id in hex. */
  answers: Record<string, AnswerMeter>
  /**
   * Payer only: answers that are paid and whose last voucher the payee may not have yet, by request
   * id in hex. In the row of the money, so that no crash can part the two.
   */
  undelivered: Record<string, Pick<VoucherFrame, 'tokens' | 'runningHash'>>
  /**
   * Found on the chain after the disk was lost: what was signed on it is unknown. It pays for no
   * answer, and waits for its exit or, on the payee's side, for vouchers that are handed over anew.
   */
  isRecovered: boolean
  /**
   * Payer only: its owner leaves it. On disk before the exit is asked for: whatever a crash or a chain
   * that lags behind hides, no further answer is paid on it. Only a top-up by the owner ends that.
   */
  isLeaving: boolean
  /** By the day (UTC) that it was seen on, what the contract cleared: all days together are `settled`. */
  cleared: Readonly<Record<string, Cleared>>
}

/** Token units that the contract moved from a payer's deposit, and that it set off. */
export interface Cleared {
  settled: bigint
  setOff: bigint
}

/** A channel that has just been opened or introduced. */
export function createChannelRecord(
  known: Pick<ChannelRecord, 'id' | 'role' | 'peer' | 'house' | 'token' | 'config'> &
    Partial<ChannelRecord>,
): ChannelRecord {
  return {
    deposit: 0n,
    confirmedDeposit: 0n,
    settled: 0n,
    status: 'opening',
    exitDueAtMs: null,
    seenAtMs: 0,
    cumulative: 0n,
    signature: null,
    relayFee: 0n,
    paidRaw: 0n,
    answers: {},
    undelivered: {},
    isRecovered: false,
    isLeaving: false,
    cleared: {},
    ...known,
  }
}
