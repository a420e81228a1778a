import type { AnswerPayee } from '../clearing/payee.ts'
import type { Model } from '../engine/engine.ts'
import { type GeneratedToken, generate } from '../engine/generate.ts'
import { type EndReason, LendingError } from '../errors.ts'
import type { Clock, Log, Random } from '../platform.ts'
import { logProbMilli } from '../sampling/gumbel.ts'
import type { Finish, Frame, FrameOf, Refusal, Verdict } from '../wire/frames.ts'
import { MAX_CHUNK_MS, MAX_CHUNK_TOKENS } from '../wire/limits.ts'
import type { OfferedModel } from '../wire/offer.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  nonceCommit,
  receiptHash,
  signedHash,
  type Terms,
} from '../wire/transcript.ts'
import type { Deadlines } from './deadlines.ts'
import { asLendingError, createInbox, type FrameDuplex, type Inbox, unexpected } from './duplex.ts'

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
}

export interface LendComponents {
  clock: Clock
  random: Random
  log: Log
  /** Signs with the device key. */
  sign(hash: Uint8Array): Promise<Uint8Array>
  /** Decides about an `open`. @throws LendingError with the reason to refuse */
  admit(open: Terms['open']): Promise<Admission>
}

/** How serving one answer ended. */
export interface LentAnswer {
  reqId: Uint8Array | null
  /** Refused before the borrower showed its half of the seed. */
  isRefused: boolean
  error: LendingError | null
  promptTokens: number
  tokens: number
  finish: Finish | null
  /** What the borrower said of it. */
  verdict: Verdict | null
  /** Whether signed tokens are still unpaid. */
  isUnpaid: boolean
}

/** How long a free answer's stream stays open for the borrower's verdict. */
const FREE_FAREWELL_MS = 60_000
const PROGRESS_MS = 500

/** The lending side of one answer. Never throws: whatever happens is in the result. */
export async function lendAnswer(
  duplex: FrameDuplex,
  init: { deadlines: Deadlines; signal?: AbortSignal | undefined },
  components: LendComponents,
): Promise<LentAnswer> {
  const { clock, log } = components
  const result: LentAnswer = {
    reqId: null,
    isRefused: false,
    error: null,
    promptTokens: 0,
    tokens: 0,
    finish: null,
    verdict: null,
    isUnpaid: false,
  }
  try {
    const inbox = createInbox(duplex, clock, { signal: init.signal })
    const { admission, terms, n } = await shakeHands(duplex, inbox, init.deadlines, components)
    result.reqId = terms.open.reqId
    result.promptTokens = terms.request.promptIds.length
    const answer = new ServedAnswer(
      { duplex, inbox, admission, terms, n, result },
      init,
      components,
    )
    await answer.run()
  } catch (cause) {
    const error = asLendingError(cause)
    result.error = error
    result.isRefused = result.reqId === null
    log('lend.ended', { reason: error.reason, message: error.message })
    await refuse(duplex, error)
  }
  return result
}

/** Says why, as far as the other side can hear it, then lets go. */
async function refuse(duplex: FrameDuplex, error: LendingError): Promise<void> {
  try {
    const reason = refusalOf(error.reason)
    if (reason !== null) {
      // A stranger needs the reason, not our paths and internals.
      const message = error.what.replace(/\p{Cc}/gu, ' ').slice(0, 200)
      await duplex.send({ kind: 'refuse', reason, message })
    }
    await duplex.close()
  } catch {
    duplex.abort(error)
  }
}

/** The word for a reason on the wire; null when nobody is there to hear it. */
function refusalOf(reason: EndReason): Refusal | null {
  if (reason === 'cancelled' || reason === 'lost') return null
  return reason === 'stall' ? 'deadline' : reason
}

interface Handshake {
  admission: Admission
  terms: Terms
  n: Uint8Array
}

async function shakeHands(
  duplex: FrameDuplex,
  inbox: Inbox,
  deadlines: Deadlines,
  components: LendComponents,
): Promise<Handshake> {
  const opened = await inbox.next(deadlines.handshakeMs, 'open')
  if (opened.kind !== 'open') unexpected(opened, 'waiting for open')
  const { kind: _open, ...open } = opened
  const admission = await components.admit(open)
  const n = components.random(32)
  const commit = nonceCommit(n)
  await duplex.send({ kind: 'ready', commit })
  const asked = await inbox.next(deadlines.handshakeMs, 'request')
  if (asked.kind !== 'request') unexpected(asked, 'waiting for request')
  const { kind: _request, ...request } = asked
  checkRequest(request, admission)
  return { admission, terms: { open, commit, request }, n }
}

/** @throws LendingError when the request cannot be served as asked */
function checkRequest(request: Terms['request'], { offered, model, payment }: Admission): void {
  const fail = (reason: 'limit' | 'protocol', why: string): never => {
    throw new LendingError(reason, { what: why })
  }
  const { promptIds, maxTokens, stopIds } = request
  const { vocabSize, contextTokens } = model.info
  if (promptIds.length === 0) fail('protocol', 'the prompt is empty')
  if (maxTokens === 0) fail('protocol', 'no tokens are asked for')
  if ([...promptIds, ...stopIds].some((id) => id >= vocabSize)) {
    fail('protocol', 'a token id is outside the vocabulary')
  }
  if (request.templateHash.some((byte, i) => byte !== offered.templateHash[i])) {
    fail('protocol', 'the request means another chat template')
  }
  if (promptIds.length + maxTokens > contextTokens) {
    fail('limit', `prompt and answer exceed the context of ${contextTokens} tokens`)
  }
  if (payment !== null && promptIds.length > payment.promptCapTokens) {
    fail('limit', `prompts of borrowers without history are limited to ${payment.promptCapTokens}`)
  }
}

interface ServedParts {
  duplex: FrameDuplex
  inbox: Inbox
  admission: Admission
  terms: Terms
  n: Uint8Array
  result: LentAnswer
}

/** Generation, signing, metering and the borrower's frames of one answer, side by side. */
class ServedAnswer {
  readonly #parts: ServedParts
  readonly #deadlines: Deadlines
  readonly #components: LendComponents
  readonly #stop = new AbortController()
  readonly #answer: Uint8Array
  readonly #lpSalt: Uint8Array
  readonly #lps: number[] = []
  #payee: AnswerPayee | null = null
  #running: Uint8Array
  #count = 0
  #signedCount = 0
  #paidTokens = 0
  /** Signatures and frames in order; generation does not wait for them. */
  #outbox: Promise<void> = Promise.resolve()
  #cancelTimer: (() => void) | null = null
  #onVoucher: (() => void) | null = null
  #isCancelled = false
  #isOver = false

  constructor(
    parts: ServedParts,
    init: { deadlines: Deadlines; signal?: AbortSignal | undefined },
    components: LendComponents,
  ) {
    this.#parts = parts
    this.#deadlines = init.deadlines
    this.#components = components
    this.#answer = answerHash(parts.terms)
    this.#running = firstRunningHash(this.#answer)
    this.#lpSalt = components.random(32)
    init.signal?.addEventListener('abort', () => this.#stop.abort(init.signal?.reason))
  }

  async run(): Promise<void> {
    const { admission, terms, result } = this.#parts
    const { payment } = admission
    const { promptIds, maxTokens, voucher } = terms.request
    if (payment) {
      this.#payee = await payment.openPayee(terms.open.reqId, promptIds.length, maxTokens)
      if (voucher !== null) await this.#payee.accept(voucher)
    }
    const listening = this.#listen()
    listening.catch((error: Error) => this.#stop.abort(error))
    try {
      result.finish = await this.#generate()
      this.#signNow()
    } catch (error) {
      if (!this.#isCancelled) throw this.#stop.signal.aborted ? this.#stop.signal.reason : error
      result.finish = 'abort'
      this.#signNow()
    } finally {
      this.#cancelTimer?.()
      result.tokens = this.#count
      await this.#book()
    }
    await this.#sendReceipt(result.finish)
    this.#isOver = true
    await this.#farewell(listening)
  }

  async #generate(): Promise<Finish> {
    const { admission, terms, n } = this.#parts
    const { request } = terms
    const signal = this.#stop.signal
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
      gate: (t) => this.#gate(t),
      signal,
    })
    for await (const token of tokens) {
      this.#emit(token)
      if (token.finish !== undefined) return token.finish
      signal.throwIfAborted()
    }
    return 'length'
  }

  #emit({ t, id, top }: GeneratedToken): void {
    const lp = logProbMilli(top, id)
    const lpCommit = lpCommitment(this.#lpSalt, t, lp)
    this.#lps.push(lp)
    this.#running = nextRunningHash(this.#running, id, lpCommit)
    this.#count = t + 1
    const start = t === 0 ? { n: this.#parts.n, cachedTokens: 0 } : null
    this.#send({ kind: 'tokens', start, ids: [id], lpCommits: [lpCommit] })
    if (this.#count - this.#signedCount >= MAX_CHUNK_TOKENS) this.#signNow()
    else this.#cancelTimer ??= this.#components.clock.after(MAX_CHUNK_MS, () => this.#signNow())
  }

  #signNow(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    if (this.#signedCount === this.#count) return
    this.#signedCount = this.#count
    const [count, runningHash] = [this.#count, this.#running]
    this.#queue(async () => {
      const sig = await this.#components.sign(signedHash(this.#answer, count, runningHash))
      await this.#parts.duplex.send({ kind: 'signed', count, runningHash, sig })
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
  #gate(t: number): Promise<void> | undefined {
    const { payment } = this.#parts.admission
    if (payment === null || t - this.#paidTokens < payment.windowTokens) return undefined
    this.#signNow()
    return this.#untilPaid(t - payment.windowTokens)
  }

  async #untilPaid(moreThan: number): Promise<void> {
    const { clock } = this.#components
    const late = Promise.withResolvers<never>()
    const why = `no voucher within ${this.#deadlines.voucherMs} ms at the edge of the window`
    const stop = clock.after(this.#deadlines.voucherMs, () =>
      late.reject(new LendingError('payment', { what: 'the borrower stopped paying', why })),
    )
    const aborted = new Promise<never>((_, reject) => {
      const { signal } = this.#stop
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
    aborted.catch(() => {})
    try {
      while (this.#paidTokens <= moreThan) {
        const paid = new Promise<void>((resolve) => {
          this.#onVoucher = resolve
        })
        await Promise.race([paid, late.promise, aborted])
      }
    } finally {
      stop()
      late.promise.catch(() => {})
    }
  }

  /** Reads the borrower's frames until it closes; a voucher is on disk before generation goes on. */
  async #listen(): Promise<void> {
    const { inbox, result } = this.#parts
    for (;;) {
      const frame = await inbox.next(this.#deadlines.totalMs, 'frame')
      if (frame.kind === 'voucher') await this.#accept(frame)
      else if (frame.kind === 'cancel') this.#cancel()
      else if (frame.kind === 'audited' && this.#isOver) {
        result.verdict = frame.verdict
        if (frame.verdict === 'fail') return
      } else unexpected(frame, 'answering')
      if (this.#isOver && !this.#owes()) return
    }
  }

  async #accept(frame: FrameOf<'voucher'>): Promise<void> {
    if (this.#payee === null) unexpected(frame, 'answering for free')
    this.#paidTokens = Math.max(this.#paidTokens, await this.#payee.accept(frame))
    this.#onVoucher?.()
  }

  #cancel(): void {
    if (this.#isCancelled || this.#isOver) return
    this.#isCancelled = true
    this.#stop.abort(new LendingError('cancelled', { what: 'the borrower cancelled' }))
  }

  /** Puts what is owed on disk, whatever ended the answer. */
  async #book(): Promise<void> {
    const { payment } = this.#parts.admission
    if (this.#payee === null || payment === null) return
    const untilMs = this.#components.clock.now() + payment.holdBackMs
    this.#parts.result.isUnpaid = await this.#payee.hold(this.#signedCount, untilMs)
  }

  #owes(): boolean {
    return this.#parts.result.isUnpaid && this.#paidTokens < this.#signedCount
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
      await duplex.send({ kind: 'receipt', body, sig, lpSalt: this.#lpSalt, lps: this.#lps })
    })
    await this.#outbox
  }

  /** Waits for the verdict and the hold-back, at the latest until its deadline. */
  async #farewell(listening: Promise<void>): Promise<void> {
    const { admission, duplex, result } = this.#parts
    const waitMs = admission.payment?.holdBackMs ?? FREE_FAREWELL_MS
    const late = Promise.withResolvers<void>()
    const stop = this.#components.clock.after(waitMs, late.resolve)
    try {
      if (this.#owes()) await Promise.race([listening, late.promise])
    } catch (error) {
      this.#components.log('lend.farewell', { error: String(error) })
    } finally {
      stop()
      listening.catch(() => {})
    }
    result.isUnpaid = this.#owes()
    if (result.isUnpaid && result.verdict === 'fail') await this.#payee?.giveUp('withheld')
    await duplex.close().catch(() => {})
  }
}
