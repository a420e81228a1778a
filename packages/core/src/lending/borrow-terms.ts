import type { AnswerPayer } from '../clearing/payer.ts'
import type { Profile } from '../engine/engine.ts'
import type { EndReason, LendingError } from '../errors.ts'
import type { Clock, Log, Random } from '../platform.ts'
import type { Finish, Verdict, VoucherFrame } from '../wire/frames.ts'
import type { Terms } from '../wire/transcript.ts'
import type { Deadlines } from './deadlines.ts'
import type { Evidence, SignedState } from './evidence.ts'

export interface BorrowInit {
  /** Lender's device key. */
  lender: Uint8Array
  open: Terms['open']
  request: Omit<Terms['request'], 'b' | 'voucher'>
  /** Called when the lender is ready, before the first byte of content leaves. */
  beforeRequest?: (() => Promise<void>) | undefined
  vocabSize: number
  endIds: readonly number[]
  /** What the lender's offer says of its numbers; a receipt under another profile is refused. */
  profile: Profile
  /** null: this answer is free. */
  payment: { windowTokens: number; holdBackMs: number; openPayer(): Promise<AnswerPayer> } | null
  deadlines: Deadlines
  /** Cancels the answer: what is signed by then is still owed. */
  signal?: AbortSignal | undefined
  /** Called with tokens as they arrive. */
  onTokens?: ((ids: readonly number[]) => void) | undefined
  /** Puts what is signed on disk: from then on it is owed, and can be shown, even if this process dies. */
  onSigned?: ((evidence: Evidence & { signed: SignedState }) => Promise<void>) | undefined
}

export interface BorrowComponents {
  clock: Clock
  random: Random
  log: Log
}

/** How borrowing ended. Once the request was sent nothing is thrown: money and evidence are at stake. */
export interface Borrowed {
  /** null when the lender sent no token. */
  evidence: Evidence | null
  /** `receipt` when the answer is whole, else why it broke off. */
  end: 'receipt' | EndReason
  error: LendingError | null
  finish: Finish | null
  /** From the request to the first token, and to the end. */
  firstTokenMs: number | null
  totalMs: number
  /** Signed output tokens that are not paid yet. */
  heldTokens: number
  /** Whether the lender refused after it had seen our half of the seed. */
  isRefusedLate: boolean
  /**
   * Tells the lender the verdict and pays what was held back, or keeps it when the verdict is fail.
   * @returns a voucher that could not be delivered; on disk it is kept for a later hand-over
   */
  conclude(verdict: Verdict): Promise<VoucherFrame | null>
}
