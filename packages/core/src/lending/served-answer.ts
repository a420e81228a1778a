import type { AnswerPayee } from '../clearing/payee.ts'
import { type GeneratedToken, generate } from '../engine/generate.ts'
import { LendingError } from '../errors.ts'
import { logProbMilli } from '../sampling/gumbel.ts'
import type { Finish, Frame, FrameOf } from '../wire/frames.ts'
import { MAX_CHUNK_MS, MAX_CHUNK_TOKENS } from '../wire/limits.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  receiptHash,
  signedHash,
  type Terms,
} from '../wire/transcript.ts'
import { endsWithin, type FrameDuplex, type Inbox, unexpected } from './duplex.ts'
import type { Admission, LendComponents, LendInit, LentAnswer } from './lent-answer.ts'
import type { Pulse } from './pulse.ts'

/**
 * Tokens that come sooner than this after the last frame share the next one. Nobody sees that, and
 * the frames of a small model's tokens cost both devices a good part of what the tokens do.
 */
const GATHER_MS = 50

/** How long a free answer's stream stays open for the borrower's verdict. */
const FREE_FAREWELL_MS = 60_000
const PROGRESS_MS = 500
/** How long the last frames may take to leave before the stream is cut. */
export const LAST_WORDS_MS = 2_000

interface ServedParts {
  duplex: FrameDuplex
  inbox: Inbox
  admission: Admission
  terms: Terms
  n: Uint8Array
  result: LentAnswer
  pulse: Pulse
}

/** Generation, signing, metering and the borrower's frames of one answer, side by side. */
export class ServedAnswer {
  readonly #parts: ServedParts
  readonly #init: LendInit
  readonly #components: LendComponents
  /** Breaks the answer off; the borrower's own wish ends its generation alone. */
  readonly #stop = new AbortController()
  readonly #cancelled = new AbortController()
  readonly #answer: Uint8Array
  readonly #lpSalt: Uint8Array
  readonly #lps: number[] = []
  #payee: AnswerPayee | null = null
  #running: Uint8Array
  /** Computed, and not yet hashed and sent. */
  #fresh: GeneratedToken[] = []
  #flushedMs = 0
  #flushTimer: (() => void) | null = null
  #count = 0
  #signedCount = 0
  /** Tokens under a signature that has left: what the borrower can owe. */
  #sentCount = 0
  #paidTokens = 0
  /** Signatures and frames in order; generation does not wait for them. */
  #outbox: Promise<void> = Promise.resolve()
  #cancelTimer: (() => void) | null = null
  #onVoucher: (() => void) | null = null
  #isOver = false

  constructor(parts: ServedParts, init: LendInit, components: LendComponents) {
    this.#parts = parts
    this.#init = init
    this.#components = components
    this.#answer = answerHash(parts.terms)
    this.#running = firstRunningHash(this.#answer)
    this.#lpSalt = components.random(32)
  }

  async run(): Promise<void> {
    const { signal, yields, deadlines } = this.#init
    const yieldNow = () => {
      if (this.#parts.result.finish === null) this.#stop.abort(yields?.reason)
    }
    const quit = () => this.#stop.abort(signal?.reason)
    const late = () =>
      this.#stop.abort(new LendingError('deadline', { what: 'the answer took too long' }))
    const cancelLate = this.#components.clock.after(deadlines.totalMs, late)
    signal?.addEventListener('abort', quit)
    if (signal?.aborted) quit()
    yields?.addEventListener('abort', yieldNow)
    if (yields?.aborted) yieldNow()
    try {
      await this.#serve()
    } finally {
      cancelLate()
      signal?.removeEventListener('abort', quit)
      yields?.removeEventListener('abort', yieldNow)
    }
  }

  async #serve(): Promise<void> {
    const { admission, terms, result, duplex } = this.#parts
    const opening = this.#openPayee()
    const listening = opening.then(() => this.#listen())
    listening.catch((error: Error) => this.#stop.abort(error))
    try {
      // Nothing is computed for a voucher that does not hold.
      if (terms.request.voucher !== null) await opening
      result.finish = await this.#generate(opening)
      this.#signNow()
      await Promise.race([this.#outbox, untilAborted(this.#stop.signal)])
    } catch (error) {
      const { signal } = this.#stop
      if (!signal.aborted) this.#signNow()
      // What is signed belongs to the borrower before it hears why there is no more.
      await endsWithin(this.#outbox, LAST_WORDS_MS, this.#components.clock)
      if (signal.aborted) throw signal.reason
      if (!this.#cancelled.signal.aborted) throw error
      result.finish = 'abort'
    } finally {
      // Whatever stopped it: what is booked is booked whole.
      await opening.catch(() => {})
      admission.release()
      this.#cancelTimer?.()
      this.#flushTimer?.()
      result.tokens = this.#count
      await this.#book()
    }
    await Promise.race([this.#sendReceipt(result.finish), untilAborted(this.#stop.signal)])
    await this.#farewell(listening)
    const leaving = this.#outbox.then(() => duplex.close())
    await endsWithin(leaving, LAST_WORDS_MS, this.#components.clock)
  }

  async #openPayee(): Promise<void> {
    const { admission, terms } = this.#parts
    const { promptIds, maxTokens, voucher } = terms.request
    const { reqId } = terms.open
    this.#payee = (await admission.payment?.openPayee(reqId, promptIds.length, maxTokens)) ?? null
    if (voucher !== null) await this.#accept({ kind: 'voucher', ...voucher })
  }

  /** @param opened the prompt may be read before the answer is on disk, and no token leaves */
  async #generate(opened: Promise<void>): Promise<Finish> {
    const { admission, terms, n } = this.#parts
    const { request } = terms
    const signal = AbortSignal.any([this.#stop.signal, this.#cancelled.signal])
    await using sequence = await admission.model.openSequence({ signal })
    let progressAt = this.#components.clock.now()
    this.#send({ kind: 'progress', promptTokensDone: 0 })
    const tokens = generate(sequence, {
      promptIds: request.promptIds,
      seed: answerSeed(terms, n),
      temperature: request.sampler.temperatureMilli / 1_000,
      maxTokens: request.maxTokens,
      stopIds: request.stopIds,
      endIds: admission.model.info.endIds,
      onProgress: (promptTokensDone) => {
        const now = this.#components.clock.now()
        if (now - progressAt < PROGRESS_MS / 2) return
        progressAt = now
        this.#send({ kind: 'progress', promptTokensDone })
      },
      gate: (t) => this.#gate(t, signal),
      signal,
    })
    for await (const token of tokens) {
      if (token.t === 0) await opened
      this.#emit(token)
      if (token.finish !== undefined) return token.finish
      signal.throwIfAborted()
    }
    return 'length'
  }

  /** Takes a token in. The engine computes the next one meanwhile, so the rest is left for later. */
  #emit(token: GeneratedToken): void {
    const { clock } = this.#components
    this.#fresh.push(token)
    this.#count = token.t + 1
    // At the window's edge the borrower needs a signature before it can pay.
    const { windowTokens } = this.#parts.admission.payment ?? { windowTokens: Infinity }
    const isAtEdge = this.#count - this.#paidTokens >= windowTokens
    if (isAtEdge || this.#count - this.#signedCount >= MAX_CHUNK_TOKENS) {
      this.#signNow()
      return
    }
    this.#cancelTimer ??= clock.after(MAX_CHUNK_MS, () => this.#signNow())
    const waitMs = Math.max(0, this.#flushedMs + GATHER_MS - clock.now())
    this.#flushTimer ??= clock.after(waitMs, () => this.#flush())
  }

  #flush(): void {
    for (const frame of this.#takeFresh()) this.#send(frame)
  }

  /** Hashes the tokens that are there. @returns the frame that carries them, if there are any */
  #takeFresh(): Frame[] {
    this.#flushTimer?.()
    this.#flushTimer = null
    const fresh = this.#fresh
    const [first] = fresh
    if (first === undefined) return []
    this.#fresh = []
    this.#flushedMs = this.#components.clock.now()
    const lpCommits = fresh.map(({ t, id, top }) => {
      const lp = logProbMilli(top, id)
      const lpCommit = lpCommitment(this.#lpSalt, t, lp)
      this.#lps.push(lp)
      this.#running = nextRunningHash(this.#running, id, lpCommit)
      return lpCommit
    })
    const start = first.t === 0 ? { n: this.#parts.n, cachedTokens: 0 } : null
    return [{ kind: 'tokens', start, ids: fresh.map(({ id }) => id), lpCommits }]
  }

  #signNow(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    const words = this.#takeFresh()
    if (this.#signedCount === this.#count) return
    this.#signedCount = this.#count
    const [count, runningHash] = [this.#count, this.#running]
    this.#queue(async () => {
      const sig = await this.#components.sign(signedHash(this.#answer, count, runningHash))
      await this.#parts.duplex.send(...words, { kind: 'signed', count, runningHash, sig })
      this.#sentCount = count
    })
  }

  #send(frame: Frame): void {
    this.#queue(() => this.#parts.duplex.send(frame))
  }

  #queue(work: () => Promise<void>): void {
    this.#outbox = this.#outbox.then(work)
    this.#outbox.catch((error: Error) => this.#stop.abort(error))
  }

  /** Lets token `t` be computed only while fewer than a window of tokens are unpaid. */
  #gate(t: number, signal: AbortSignal): Promise<void> | undefined {
    const { payment } = this.#parts.admission
    if (payment === null || t - this.#paidTokens < payment.windowTokens) return undefined
    const paid = this.#untilPaid(t - payment.windowTokens, signal)
    // Nobody waits for it when the answer is broken off meanwhile.
    paid.catch(() => {})
    return paid
  }

  async #untilPaid(moreThan: number, signal: AbortSignal): Promise<void> {
    const { voucherMs } = this.#init.deadlines
    const why = `no voucher within ${voucherMs} ms at the edge of the window`
    const cancelLate = this.#components.clock.after(voucherMs, () =>
      this.#stop.abort(new LendingError('payment', { what: 'the borrower stopped paying', why })),
    )
    const stopped = untilAborted(signal)
    stopped.catch(() => {})
    try {
      while (this.#paidTokens <= moreThan) {
        const paid = Promise.withResolvers<void>()
        this.#onVoucher = paid.resolve
        await Promise.race([paid.promise, stopped])
      }
    } finally {
      cancelLate()
    }
  }

  /** Reads the borrower's frames until it closes; a voucher is on disk before generation goes on. */
  async #listen(): Promise<void> {
    const { inbox, result } = this.#parts
    const { deadlines } = this.#init
    while (!this.#isSquare()) {
      const frame = await inbox.next(deadlines.totalMs, 'frame')
      if (frame.kind === 'voucher') await this.#accept(frame)
      else if (frame.kind === 'cancel' && !this.#cancelled.signal.aborted) this.#cancel()
      else if (frame.kind === 'audited' && this.#isOver && result.verdict === null) {
        result.verdict = frame.verdict
      } else unexpected(frame, 'answering')
    }
  }

  /** Whether nothing more is to come: the verdict is there, and what it lets be paid. */
  #isSquare(): boolean {
    const { verdict } = this.#parts.result
    return verdict === 'fail' || (verdict !== null && !this.#owes())
  }

  async #accept(frame: FrameOf<'voucher'>): Promise<void> {
    if (this.#payee === null) unexpected(frame, 'answering for free')
    this.#paidTokens = Math.max(this.#paidTokens, await this.#payee.accept(frame))
    this.#onVoucher?.()
  }

  #cancel(): void {
    if (this.#isOver) return
    this.#cancelled.abort(new LendingError('cancelled', { what: 'the borrower cancelled' }))
  }

  /** Puts what is owed on disk, whatever ended the answer. */
  async #book(): Promise<void> {
    const { payment } = this.#parts.admission
    if (this.#payee === null || payment === null) return
    const untilMs = this.#components.clock.now() + payment.holdBackMs
    this.#parts.result.isUnpaid = await this.#payee.hold(this.#sentCount, untilMs)
  }

  #owes(): boolean {
    return this.#parts.result.isUnpaid && this.#paidTokens < this.#sentCount
  }

  async #sendReceipt(finish: Finish): Promise<void> {
    const { admission, terms, n, duplex } = this.#parts
    const body = {
      answerHash: this.#answer,
      n,
      count: this.#count,
      cachedTokens: 0,
      runningHash: this.#running,
      finish,
      profile: admission.model.info.profile,
      offerHash: terms.open.offerHash,
      channelId: terms.open.channelId,
      due: (await this.#payee?.due()) ?? 0n,
    }
    this.#queue(async () => {
      const sig = await this.#components.sign(receiptHash(body))
      // The borrower listens for nothing else after it, and may answer with its verdict.
      this.#parts.pulse.stop()
      this.#isOver = true
      await duplex.send({ kind: 'receipt', body, sig, lpSalt: this.#lpSalt, lps: this.#lps })
    })
    await this.#outbox
  }

  /** Waits for the verdict and the hold-back, at the latest until its deadline. */
  async #farewell(listening: Promise<void>): Promise<void> {
    const { admission, result } = this.#parts
    const waitMs = admission.payment?.holdBackMs ?? FREE_FAREWELL_MS
    const isDone = await endsWithin(
      Promise.race([listening, untilAborted(this.#stop.signal)]),
      waitMs,
      this.#components.clock,
    )
    if (!isDone) this.#components.log('lend.farewell', { owed: this.#owes() })
    result.isUnpaid = this.#owes()
    const { verdict } = result
    // What was paid is on disk: a borrower that hears this need not hand it over again.
    if (isDone && verdict !== null) this.#send({ kind: 'audited', verdict })
    if (result.isUnpaid && result.verdict === 'fail') await this.#payee?.giveUp('withheld')
  }
}

/** @throws what the signal is aborted for */
async function untilAborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  }
  throw signal.reason
}
