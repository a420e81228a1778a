import { equal } from '../bytes.ts'
import type { AnswerPayer } from '../clearing/payer.ts'
import { finishOf } from '../engine/generate.ts'
import { LendingError } from '../errors.ts'
import { verifyEd25519 } from '../identity/ed25519.ts'
import { encodeCanonical } from '../wire/canonical.ts'
import type { Frame, FrameOf, ReceiptBody, Verdict, VoucherFrame } from '../wire/frames.ts'
import { MAX_CHUNK_TOKENS, MAX_TOKENS_PER_FRAME } from '../wire/limits.ts'
import { profileField } from '../wire/profile.ts'
import {
  answerHash,
  firstRunningHash,
  nextRunningHash,
  nonceCommit,
  signedHash,
  type Terms,
} from '../wire/transcript.ts'
import type { BorrowComponents, Borrowed, BorrowInit } from './borrow-terms.ts'
import { asLendingError, type FrameDuplex, type Inbox, unexpected } from './duplex.ts'
import { checkEvidence, type Evidence, type SignedState } from './evidence.ts'

/** Longest wait for the receipt after the borrower has cancelled. */
const CANCEL_MS = 2_000

/** Longest time that a voucher may take to leave once the answer broke off. */
const LAST_PAYMENTS_MS = 1_000

/** Longest wait for the lender to take the last voucher. */
const FAREWELL_MS = 5_000

interface BorrowParts {
  duplex: FrameDuplex
  inbox: Inbox
  /** Reads the answer; `inbox` what comes when it is over. */
  live: Inbox
  payer: AnswerPayer | null
  terms: Terms
}

export class BorrowedAnswer {
  readonly #parts: BorrowParts
  readonly #init: BorrowInit
  readonly #components: BorrowComponents
  readonly #answer: Uint8Array
  readonly #startMs: number
  readonly #evidence: Evidence
  /** Running hash after each token that has not been signed yet, from `signed.count` on. */
  readonly #unsigned: Uint8Array[] = []
  #running: Uint8Array
  #hasStarted = false
  #promptDone = -1
  #cachedTokens = 0
  #firstTokenMs: number | null = null
  #paidTokens = -1
  /** Payments in order; reading does not wait for them. */
  #payments: Promise<void> = Promise.resolve()
  #paymentError: unknown = null
  #cancelledMs: number | null = null
  /** Wakes the reader when it has to think anew: a payment failed, or the answer was cancelled. */
  #wake = new AbortController()

  constructor(parts: BorrowParts, init: BorrowInit, components: BorrowComponents) {
    this.#parts = parts
    this.#init = init
    this.#components = components
    this.#answer = answerHash(parts.terms)
    this.#running = firstRunningHash(this.#answer)
    this.#startMs = components.clock.now()
    const { lender } = init
    const none = new Uint8Array(0)
    this.#evidence = {
      lender,
      terms: parts.terms,
      n: none,
      ids: [],
      lpCommits: [],
      signed: null,
      receipt: null,
    }
  }

  async run(): Promise<Borrowed> {
    const { duplex, terms } = this.#parts
    const { signal } = this.#init
    const cancel = () => this.#cancel()
    let error: LendingError | null = null
    let isRefusedLate = false
    try {
      await duplex.send({ kind: 'request', ...terms.request })
      signal?.addEventListener('abort', cancel)
      if (signal?.aborted) cancel()
      const last = await this.#read()
      if (last.kind === 'refuse') {
        // With words on their way nobody refuses for the sake of the seed.
        isRefusedLate = last.reason !== 'owner' || !this.#hasStarted
        error = refusedBy(last)
      } else if (this.#cancelledMs !== null) {
        error = new LendingError('cancelled', { what: 'the answer was cancelled' })
      }
    } catch (cause) {
      error = this.#nameEnd(asLendingError(cause))
      this.#components.log('borrow.ended', { reason: error.reason, message: error.message })
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
    return this.#end(error, isRefusedLate)
  }

  /** Reads until the receipt, or a refusal. */
  async #read(): Promise<FrameOf<'receipt'> | FrameOf<'refuse'>> {
    for (;;) {
      const frame = await this.#next()
      if (frame === null) continue
      if (frame.kind === 'refuse') return frame
      if (frame.kind === 'progress') this.#takeProgress(frame)
      else if (frame.kind === 'tokens') this.#takeTokens(frame)
      else if (frame.kind === 'signed') await this.#takeSigned(frame)
      else if (frame.kind === 'receipt') {
        await this.#takeReceipt(frame)
        return frame
      } else unexpected(frame, 'reading the answer')
    }
  }

  /** The next frame; null when it was cancelled meanwhile and other deadlines hold. */
  async #next(): Promise<Frame | null> {
    const { ms, waitsFor } = this.#patience()
    const wake = this.#wake.signal
    try {
      const frame = await this.#parts.live.next(ms, waitsFor, wake)
      if (this.#paymentError === null) return frame
    } catch (error) {
      if (!wake.aborted) throw error
    }
    if (this.#paymentError !== null) throw this.#paymentError
    this.#wake = new AbortController()
    return null
  }

  /** The deadline that is due first, and what it waits for. */
  #patience(): { ms: number; waitsFor: string } {
    const { deadlines } = this.#init
    const now = this.#components.clock.now()
    const left = Math.max(0, this.#startMs + deadlines.totalMs - now)
    if (this.#cancelledMs !== null) {
      return { ms: Math.max(0, this.#cancelledMs + CANCEL_MS - now), waitsFor: 'receipt' }
    }
    const ms = this.#hasStarted ? deadlines.stallMs : deadlines.firstTokenMs
    if (left < ms) return { ms: left, waitsFor: 'end of the answer' }
    return { ms, waitsFor: this.#hasStarted ? 'further tokens' : 'first token' }
  }

  #nameEnd(error: LendingError): LendingError {
    if (this.#cancelledMs !== null) {
      return new LendingError('cancelled', { what: 'the answer was cancelled' })
    }
    const { deadlines } = this.#init
    const isOverdue = this.#components.clock.now() >= this.#startMs + deadlines.totalMs
    if (error.reason !== 'deadline' || !this.#hasStarted || isOverdue) return error
    return new LendingError('stall', { what: 'the lender stalled', why: error.why, cause: error })
  }

  #takeProgress({ promptTokensDone }: FrameOf<'progress'>): void {
    const { promptIds } = this.#parts.terms.request
    if (this.#hasStarted) this.#violation('progress after the first token')
    if (promptTokensDone > promptIds.length) this.#violation('progress beyond the prompt')
    // Progress that gets no further is no sign of life.
    if (promptTokensDone <= this.#promptDone) this.#violation('progress that gets no further')
    this.#promptDone = promptTokensDone
  }

  #takeTokens({ start, ids, lpCommits }: FrameOf<'tokens'>): void {
    const { terms, payer } = this.#parts
    const { request, commit } = terms
    if ((start !== null) === this.#hasStarted) this.#violation('a second or missing start')
    if (ids.length === 0 || ids.length !== lpCommits.length) this.#violation('uneven tokens')
    if (start !== null) {
      if (!equal(nonceCommit(start.n), commit)) this.#violation('n that does not match H(n)')
      if (start.cachedTokens > request.promptIds.length)
        this.#violation('a cache beyond the prompt')
      this.#evidence.n = start.n
      this.#cachedTokens = start.cachedTokens
      this.#hasStarted = true
      this.#firstTokenMs = this.#components.clock.now() - this.#startMs
      if (payer) this.#queue(() => payer.start(start.cachedTokens))
    }
    for (const [i, id] of ids.entries()) this.#takeToken(id, lpCommits[i] as Uint8Array)
    if (this.#unsigned.length > MAX_CHUNK_TOKENS + MAX_TOKENS_PER_FRAME) {
      this.#violation('tokens without a signature')
    }
    if (this.#cancelledMs === null) this.#init.onTokens?.(ids)
  }

  #takeToken(id: number, lpCommit: Uint8Array): void {
    const { ids, lpCommits, terms } = this.#evidence
    const last = ids.at(-1)
    if (id >= this.#init.vocabSize) this.#violation('a token outside the vocabulary')
    if (last !== undefined && this.#endsText(last)) this.#violation('tokens after the end')
    if (ids.length >= terms.request.maxTokens) this.#violation('more tokens than asked for')
    ids.push(id)
    lpCommits.push(lpCommit)
    this.#running = nextRunningHash(this.#running, id, lpCommit)
    this.#unsigned.push(this.#running)
  }

  #endsText(id: number): boolean {
    return this.#init.endIds.includes(id) || this.#evidence.terms.request.stopIds.includes(id)
  }

  async #takeSigned({ count, runningHash, sig }: FrameOf<'signed'>): Promise<void> {
    const before = this.#evidence.signed?.count ?? 0
    const own = this.#unsigned[count - before - 1]
    if (own === undefined) this.#violation('a signature over tokens that were not sent')
    if (!equal(own, runningHash)) this.#violation('a running hash that does not match')
    const hash = signedHash(this.#answer, count, runningHash)
    if (!(await verifyEd25519(sig, hash, this.#init.lender))) this.#violation('a wrong signature')
    this.#evidence.signed = { count, runningHash, sig }
    this.#unsigned.splice(0, count - before)
    const signed = { count, runningHash, sig }
    const { onSigned } = this.#init
    if (onSigned) {
      // As it is now: tokens go on coming in while this is written.
      const { ids, lpCommits } = this.#evidence
      const words = { ids: ids.slice(0, count), lpCommits: lpCommits.slice(0, count) }
      this.#queue(() => onSigned({ ...this.#evidence, ...words, signed, receipt: null }))
    }
    this.#payAsYouGo(signed)
  }

  /**
   * The prompt is paid with the first signed token. Output is paid when three quarters of the
   * window are unpaid, down to one quarter: the lender never waits, and a tail stays unpaid.
   */
  #payAsYouGo({ count, runningHash }: SignedState): void {
    const { payment } = this.#init
    if (payment === null) return
    const { windowTokens } = payment
    const unpaid = count - Math.max(0, this.#paidTokens)
    const isFirst = this.#paidTokens < 0
    // In the smallest windows a quarter left unpaid would stop the lender for good.
    const quarter = Math.min(Math.ceil(windowTokens / 4), windowTokens - 1)
    const isDue = unpaid >= Math.min(3 * Math.ceil(windowTokens / 4), windowTokens)
    if (!isFirst && !isDue) return
    const tokens = isDue ? count - quarter : 0
    this.#paidTokens = tokens
    this.#queue(async () => {
      const voucher = await this.#parts.payer?.pay(tokens, runningHash)
      if (voucher) await this.#parts.duplex.send({ kind: 'voucher', ...voucher })
    })
  }

  #queue(work: () => Promise<void>): void {
    this.#payments = this.#payments.then(work)
    this.#payments.catch((error) => {
      this.#paymentError ??= error
      this.#wake.abort()
    })
  }

  async #takeReceipt({ body, sig, lpSalt, lps }: FrameOf<'receipt'>): Promise<void> {
    this.#evidence.receipt = { body, sig, lpSalt, lps }
    const problem = this.#judgeEnd(body) ?? (await this.#judgeReceipt())
    if (problem === null) return
    this.#evidence.receipt = null
    this.#violation(problem)
  }

  async #judgeReceipt(): Promise<string | null> {
    return this.#evidence.ids.length > 0 ? checkEvidence(this.#evidence) : null
  }

  /** Whether the answer ends as its receipt says. @returns what does not hold, or null */
  #judgeEnd({ finish, profile, cachedTokens }: ReceiptBody): string | null {
    const { ids, terms } = this.#evidence
    const last = ids.at(-1)
    const { endIds } = this.#init
    const due =
      last === undefined ? undefined : finishOf(last, ids.length, { ...terms.request, endIds })
    const isWhole = finish === (due ?? 'abort') && (due !== undefined || this.#cancelledMs !== null)
    if (!isWhole) return `the answer does not end as it says (${finish})`
    if (this.#hasStarted && cachedTokens !== this.#cachedTokens)
      return 'the receipt counts another cache'
    const isSameProfile = equal(
      encodeCanonical(profileField, profile),
      encodeCanonical(profileField, this.#init.profile),
    )
    return isSameProfile ? null : 'the receipt names another profile than the offer'
  }

  #violation(what: string): never {
    throw new LendingError('protocol', { what: 'the lender breaks the protocol', why: what })
  }

  #cancel(): void {
    this.#cancelledMs ??= this.#components.clock.now()
    this.#parts.duplex.send({ kind: 'cancel' }).catch(() => {})
    this.#wake.abort()
  }

  async #end(error: LendingError | null, isRefusedLate: boolean): Promise<Borrowed> {
    const { duplex, payer } = this.#parts
    const { clock } = this.#components
    const signedTokens = this.#evidence.signed?.count ?? 0
    // A lender that takes nothing any more must not hold up what comes next.
    const cut = error === null ? () => {} : clock.after(LAST_PAYMENTS_MS, () => duplex.abort(error))
    await this.#payments.catch(() => {})
    cut()
    const untilMs = clock.now() + (this.#init.payment?.holdBackMs ?? 0)
    const isHeld = (await payer?.hold(signedTokens, untilMs)) ?? false
    if (error !== null && this.#evidence.receipt === null) duplex.abort(error)
    return {
      evidence: this.#hasStarted ? this.#evidence : null,
      end: error?.reason ?? 'receipt',
      error,
      finish: this.#evidence.receipt?.body.finish ?? null,
      firstTokenMs: this.#firstTokenMs,
      totalMs: clock.now() - this.#startMs,
      heldTokens: isHeld ? signedTokens - Math.max(0, this.#paidTokens) : 0,
      isRefusedLate,
      conclude: (verdict) => this.#conclude(verdict, isHeld),
    }
  }

  async #conclude(verdict: Verdict, isHeld: boolean): Promise<VoucherFrame | null> {
    const { duplex, payer } = this.#parts
    const { signed } = this.#evidence
    const frames: Frame[] = [{ kind: 'audited', verdict }]
    let voucher: VoucherFrame | null = null
    if (payer && isHeld && verdict === 'fail') await payer.withhold()
    else if (payer && isHeld && signed) {
      voucher = await payer.release(signed.runningHash)
      frames.push({ kind: 'voucher', ...voucher })
    }
    // Without a receipt the stream broke, and nobody listens any more.
    if (this.#evidence.receipt === null) return voucher
    try {
      await duplex.send(...frames)
      if (voucher !== null) await this.#untilHeard()
      await payer?.delivered()
      await duplex.close()
      return null
    } catch {
      duplex.abort(new LendingError('lost', { what: 'the lender took no leave' }))
      return voucher
    }
  }

  /** The lender says the verdict back once the voucher is on its disk; a mere hang-up says nothing. */
  async #untilHeard(): Promise<void> {
    const frame = await this.#parts.inbox.next(FAREWELL_MS, 'word of the voucher')
    if (frame.kind !== 'audited') unexpected(frame, 'taking leave')
  }
}

/** A lender’s no, as an error of this side. */
export function refusedBy({ reason, message }: FrameOf<'refuse'>): LendingError {
  return new LendingError(reason, { what: 'the lender refuses', why: message })
}
