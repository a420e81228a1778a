import type { AnswerPayee } from '../clearing/payee.ts'
import type { Model } from '../engine/engine.ts'
import type { LendingError } from '../errors.ts'
import type { Clock, Log, Random } from '../platform.ts'
import type { Finish, Verdict } from '../wire/frames.ts'
import type { OfferedModel } from '../wire/offer.ts'
import type { Terms } from '../wire/transcript.ts'
import type { Deadlines } from './deadlines.ts'

/** What a lender grants to one `open`. */
export interface Admission {
  model: Model
  offered: OfferedModel
  /** null: this answer is free. */
  payment: {
    windowTokens: number
    promptCapTokens: number
    holdBackMs: number
    channelId: Uint8Array
    openPayee(reqId: Uint8Array, promptTokens: number, maxTokens: number): Promise<AnswerPayee>
  } | null
  /** Aborts, with the reason to refuse, when somebody else gets the place before a request has come. */
  revoked?: AbortSignal | undefined
  /**
   * Called when the request is there, however late: from now on nobody else gets the place.
   * @throws LendingError with the reason to refuse
   */
  begin?(): Promise<void>
  /** Gives the place at the engine back; called once nothing is generated for this answer any more. */
  release(): void
}

export interface LendComponents {
  clock: Clock
  random: Random
  log: Log
  /** Signs with the device key. */
  sign(hash: Uint8Array): Promise<Uint8Array>
  /** Resolves once the engine that an answer waits for has answered; see `Model.ping`. */
  ping?(open: Terms['open']): Promise<void>
  /** Decides about an `open`. @throws LendingError with the reason to refuse */
  admit(open: Terms['open']): Promise<Admission>
}

export interface LendInit {
  deadlines: Deadlines
  /** Breaks the answer off: what is signed by then stays owed. */
  signal?: AbortSignal | undefined
  /** Breaks generation off, and nothing that comes after it: the owner needs the machine. */
  yields?: AbortSignal | undefined
}

/** How serving one answer ended. */
export interface LentAnswer {
  /** null: it ended before the borrower showed its half of the seed. */
  reqId: Uint8Array | null
  error: LendingError | null
  promptTokens: number
  tokens: number
  finish: Finish | null
  /** What the borrower said of it. */
  verdict: Verdict | null
  /** Whether signed tokens are still unpaid. */
  isUnpaid: boolean
}
