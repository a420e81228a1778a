import { sha256 } from '@noble/hashes/sha2.js'
import { withinTime } from '../abort.ts'
import { concat, equal, from0x, toHex, u32le } from '../bytes.ts'
import type { Ceilings } from '../clearing/budget.ts'
import { rawCost, units } from '../clearing/meter.ts'
import { openAnswerPayer } from '../clearing/payer.ts'
import { CeilingError, LendingError } from '../errors.ts'
import type { Borrowed, BorrowInit } from '../lending/borrow-terms.ts'
import { borrowAnswer, greetLender } from '../lending/borrower.ts'
import { asLendingError, type FrameDuplex } from '../lending/duplex.ts'
import { framesOver } from '../mesh/frames-over-stream.ts'
import { ANSWER_PROTOCOL } from '../mesh/protocols.ts'
import type { Scope } from '../wire/frames.ts'
import { type OfferedModel, offerHash } from '../wire/offer.ts'
import { createAnswerEnding } from './answer-ending.ts'
import { overCeiling } from './assess-offer.ts'
import type { AuditReport, AuditService } from './audits.ts'
import type { ChannelService, OpenedChannel } from './channels.ts'
import { RUNNING } from './left-overs.ts'
import type { Candidate, LenderService } from './lenders.ts'
import type { Attempt, Measurements } from './measurements.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer } from './peers.ts'
import { createReadyAhead, type OpenTerms } from './ready-ahead.ts'
import type { AnswerRecord } from './records.ts'
import { createTurns, type Turn } from './turns.ts'
import { takeChannel, type WarmChannels } from './warm-channels.ts'

export interface BorrowQuestion {
  /** Whom to ask. */
  from: Candidate
  modelName: string
  /** The model as this device knows it, whole or by its header; the lender must mean the same. */
  vocabSize: number
  endIds: readonly number[]
  templateHash: Uint8Array
  manifestHash: Uint8Array
  promptIds: number[]
  temperature: number
  maxTokens: number
  stopIds: number[]
  scope: Exclude<Scope, 'device'>
  why: string
  /** How many places of which kind of the prompt are placeholders. */
  redacted?: Readonly<Record<string, number>> | undefined
  ceilings: Ceilings
  signal?: AbortSignal | undefined
  onTokens?: ((ids: readonly number[]) => void) | undefined
  /** Called when a channel was opened for it, within the owner's limits. */
  onOpening?: ((opened: OpenedChannel) => void) | undefined
}

export interface BorrowResult {
  record: AnswerRecord
  ids: number[]
  borrowed: Borrowed
  /** Coin, audit if drawn, and the hold-back: goes on after the answer is there. */
  settled: Promise<AuditReport | null>
}

/** Borrowing answers from lenders that were chosen. */
export interface BorrowService {
  borrow(question: BorrowQuestion): Promise<BorrowResult>
  /** Resolves when every ended answer is audited and paid. */
  idle(): Promise<void>
  /** Lets lenders go that are ready for a next question. */
  rest(): Promise<void>
}

/** What a lender says whose word to be ready is over. */
const GAVE_UP: ReadonlySet<Borrowed['end']> = new Set(['busy', 'deadline'])

export function createBorrowService(
  parts: Parts,
  services: {
    lenders: LenderService
    audits: AuditService
    channels: ChannelService
    measurements: Measurements
    warm: WarmChannels
  },
): BorrowService {
  const { tables, identity, clock, random, log, mesh, deadlines, egress, budget } = parts
  const { quarantine } = parts
  const { lenders, audits, channels, measurements } = services
  const running = new Set<Promise<unknown>>()
  const turns = createTurns()
  const ending = createAnswerEnding(parts, { audits })
  const ahead = createReadyAhead(parts)

  /** A stream to a lender for an answer. @throws LendingError */
  async function reach(
    { lender, address }: KnownOffer,
    signal?: AbortSignal,
  ): Promise<{ duplex: FrameDuplex; isRelayed: boolean }> {
    if (mesh === null) {
      throw new LendingError('lost', { what: 'this device runs without a network' })
    }
    const inTime = withinTime(signal, deadlines.connectMs)
    const opened = await mesh.open(address, ANSWER_PROTOCOL, { signal: inTime })
    const { stream, peer, isRelayed = false } = opened
    if (equal(peer, lender)) return { duplex: framesOver(stream), isRelayed }
    const error = new LendingError('lost', { what: 'another device answers at this address' })
    stream.abort(error)
    throw error
  }

  /** For a next question; null: a relay leads there, and by then the two may have a connection of their own. */
  async function reachAhead(known: KnownOffer): Promise<FrameDuplex | null> {
    const { duplex, isRelayed } = await reach(known)
    if (!isRelayed) return duplex
    duplex.abort(new LendingError('cancelled', { what: 'only a relay leads there' }))
    return null
  }

  async function borrow(question: BorrowQuestion): Promise<BorrowResult> {
    const { from, signal } = question
    const device = toHex(from.known.lender)
    const turn = await turns.take(device, { signal })
    let current = from
    const ask = () => borrowFrom({ ...question, from: current }, turn)
    try {
      return await turn.run(
        async () => {
          // An offer may have run out while this request waited in line.
          if (current.known.offer.expiresAtMs <= clock.now())
            current = await lenders.renew(current, { signal })
          try {
            return await ask()
          } catch (error) {
            if (!(error instanceof LendingError)) throw error
            // One that lost its disk knows of the channel by the chain alone: nothing was sent yet.
            if (error.reason === 'payment' && (await isIntroduced(current))) return await ask()
            if (error.reason !== 'expired-offer') throw error
            // A lender that was started anew knows nothing of its earlier offers: nothing was sent yet.
            current = await lenders.renew(current, { signal })
            return await ask()
          }
        },
        { signal },
      )
    } catch (error) {
      turn.end()
      if (error instanceof LendingError) await quarantine.note(device, error.reason)
      throw error
    }
  }

  /** Whether a lender that refused its channel takes it now that it was shown. */
  async function isIntroduced({ known }: Candidate): Promise<boolean> {
    if (known.offer.payment === null) return false
    return channels.introduce(known).catch((error) => {
      log('borrow.introduce', { error: String(error) })
      return false
    })
  }

  /** Within the owner's ceilings: what it may cost at most is set aside before the lender is asked. */
  async function borrowFrom(question: BorrowQuestion, turn: Turn): Promise<BorrowResult> {
    const { promptIds, maxTokens, ceilings, from } = question
    const { payment } = from.known.offer
    const dear = overCeiling(payment, ceilings, maxTokens)
    if (dear !== null) throw new CeilingError(dear)
    await requireShort(promptIds.length, from)
    if (payment === null) return converse(question, turn, 0n)
    const atMost = units(rawCost(payment.prices, promptIds.length, 0, maxTokens))
    const reservation = await budget.reserve(atMost, ceilings)
    let cost = 0n
    try {
      const result = await converse(question, turn, atMost)
      cost = result.record.priceUnits
      return result
    } finally {
      track(reservation.close(cost))
    }
  }

  /** What the lender would refuse once it has the prompt is not sent. @throws LendingError `limit` */
  async function requireShort(promptTokens: number, { known }: Candidate): Promise<void> {
    const cap = known.offer.payment?.promptCapTokens ?? Infinity
    if (promptTokens <= cap) return
    const hasHistory = ((await tables.standing.get(toHex(known.lender)))?.answers ?? 0) > 0
    if (hasHistory) return
    throw new LendingError('limit', {
      what: `this lender takes ${cap} tokens of prompt from who has not borrowed from it before`,
      why: `this one has ${promptTokens}`,
      next: 'Borrow something shorter from it first, or ask another with --peer',
    })
  }

  async function converse(
    question: BorrowQuestion,
    turn: Turn,
    atMost: bigint,
  ): Promise<BorrowResult> {
    const { signal } = question
    const { known, offered: model } = question.from
    requireSameModel(model, question)
    const { payment } = known.offer
    const channel = payment === null ? null : await takeChannel(known, services, question)
    // A lender that takes no voucher within the time to reach it would take no request either.
    const { connectMs: replyMs } = deadlines
    await channels.deliver(known, ending.leaving, { replyMs, signal }).catch((error) => {
      log('borrow.deliver', { error: String(error) })
      signal?.throwIfAborted()
      const isSilent = error instanceof LendingError || error.name === 'TimeoutError'
      if (payment !== null && isSilent) throw asLendingError(error)
    })
    const lender = toHex(known.lender)
    const terms: OpenTerms = {
      offerHash: offerHash(known.offer),
      modelId: model.modelId,
      channelId: channel && from0x(channel.id),
      scope: question.scope,
    }
    const { promptIds, maxTokens, stopIds, scope } = question
    const content = concat(...promptIds.map(u32le))
    const prices = payment?.prices ?? { prompt: 0, cached: 0, output: 0 }
    const departure = {
      digest: toHex(sha256(content)),
      sizeBytes: content.length,
      to: lender,
      scope,
      why: question.why,
      priceUnits: String(atMost),
      redacted: question.redacted,
    }
    const measure = (attempt: Attempt) =>
      measurements
        .note(lender, toHex(model.modelId), attempt)
        .catch((error) => log('borrow.measure', { error: String(error) }))
    const dialledMs = clock.now()
    const find = async () => {
      const waiting = await ahead.take(lender, terms, { signal })
      return { waiting, duplex: waiting?.duplex ?? (await reach(known, signal)).duplex }
    }
    const { waiting, duplex } = await find().catch(async (error) => {
      signal?.throwIfAborted()
      await measure({ end: 'broken' })
      throw asLendingError(error)
    })
    const open = waiting?.open ?? { ...terms, reqId: random(16) }
    const { reqId } = open
    const id = toHex(reqId)
    const openedMs = clock.now()
    const connectMs = waiting ? undefined : openedMs - dialledMs
    const attempt: Attempt = { end: 'refused', connectMs }
    const signer = identity?.voucherSigner
    const begun: AnswerRecord = {
      id,
      lender,
      modelId: toHex(model.modelId),
      modelName: question.modelName,
      manifestHash: toHex(model.manifestHash),
      profile: model.profile,
      startedAtMs: clock.now(),
      end: RUNNING,
      tokens: 0,
      promptTokens: promptIds.length,
      evidence: null,
      channelId: channel?.id ?? null,
      priceUnits: 0n,
      heldUnits: 0n,
      isDrawn: null,
      audit: null,
      auditor: null,
      pooled: null,
      payment: payment === null ? 'free' : 'open',
    }
    // Another answer may have convicted it while this one waited.
    if ((await tables.standing.get(lender))?.refusedBecause) {
      const error = new LendingError('standing', { what: 'this lender failed an audit' })
      duplex.abort(error)
      throw error
    }
    const borrowInit: BorrowInit = {
      lender: known.lender,
      open,
      request: {
        promptIds,
        templateHash: question.templateHash,
        sampler: {
          id: 'gumbel-sha256/1',
          temperatureMilli: Math.round(question.temperature * 1_000),
        },
        maxTokens,
        stopIds,
      },
      beforeRequest: async () => {
        if (waiting === null) attempt.readyMs = clock.now() - openedMs
        await egress.append(departure)
      },
      vocabSize: question.vocabSize,
      endIds: question.endIds,
      profile: model.profile,
      payment:
        payment === null || channel === null || signer === undefined
          ? null
          : {
              windowTokens: payment.windowTokens,
              holdBackMs: payment.holdBackMs,
              openPayer: () => {
                const { promptTokens, startedAtMs } = begun
                const answer = { reqId, prices, promptTokens, maxTokens, startedAtMs }
                return openAnswerPayer(tables.channels, signer, channel.id, answer)
              },
            },
      onSigned:
        channel === null
          ? undefined
          : async (evidence) => {
              const { count } = evidence.signed
              const priceUnits = units(rawCost(prices, promptIds.length, 0, count))
              // What is paid for can be shown: the evidence is on disk before the debt is.
              await tables.answers.put(id, { ...begun, evidence, tokens: count, priceUnits })
            },
      deadlines,
      signal,
      onTokens: question.onTokens,
    }
    const ask = async () => {
      const ready = waiting ?? (await greetLender(duplex, borrowInit, { clock }))
      return borrowAnswer(ready, borrowInit, { clock, random, log })
    }
    const borrowed = await ask().catch(async (error) => {
      await measure({ ...attempt, end: signal?.aborted ? 'cancelled' : endBefore(error) })
      throw error
    })
    const { evidence } = borrowed
    await measure({ ...attempt, ...speedOfAnswer(borrowed) })
    const tokens = evidence?.signed?.count ?? 0
    const record: AnswerRecord = {
      ...begun,
      end: borrowed.end,
      tokens,
      evidence,
      priceUnits: tokens === 0 ? 0n : units(rawCost(prices, promptIds.length, 0, tokens)),
      heldUnits: units(rawCost(prices, 0, 0, borrowed.heldTokens)),
    }
    await tables.answers.put(id, record)
    await ending.note(record, borrowed)
    // A lender that was ready gave its place away while the request was on its way there.
    const isTurnedAway = borrowed.evidence === null && borrowed.isRefusedLate
    if (waiting !== null && isTurnedAway && GAVE_UP.has(borrowed.end)) {
      return converse(question, turn, atMost)
    }
    await quarantine.note(record.lender, borrowed.end)
    if (parts.readyAhead && borrowed.end === 'receipt') {
      ahead.prepare(lender, terms, () => reachAhead(known))
    }
    const settled = ending
      .settle(record, borrowed, payment?.holdBackMs ?? null)
      .finally(() => turn.end())
    track(settled)
    return { record, ids: evidence?.ids ?? [], borrowed, settled }
  }

  function track(work: Promise<unknown>): void {
    const done = work
      .catch((error) => log('borrow.settle', { error: String(error) }))
      .finally(() => running.delete(done))
    running.add(done)
  }

  return {
    borrow,
    idle: async () => {
      await Promise.all(running)
    },
    rest: async () => ahead.close(),
  }
}

/** What an end before the request says of the lender: an offer that ran out, say, is nobody's fault. */
function endBefore(error: unknown): Attempt['end'] {
  const reason = error instanceof LendingError ? error.reason : 'cancelled'
  if (reason === 'busy') return 'refused'
  return ['deadline', 'lost', 'protocol', 'engine'].includes(reason) ? 'broken' : 'cancelled'
}

/** What an answer shows of its lender's speed. */
function speedOfAnswer({ end, evidence, firstTokenMs, totalMs }: Borrowed): Attempt {
  const after = (evidence?.ids.length ?? 0) - 1
  const tokenMs = firstTokenMs === null || after < 1 ? undefined : (totalMs - firstTokenMs) / after
  const word = end === 'receipt' ? 'whole' : end === 'cancelled' ? 'cancelled' : 'broken'
  return { end: word, firstTokenMs, tokenMs }
}

/** @throws LendingError `model` when the lender means something else by the model's id */
function requireSameModel(offered: OfferedModel, question: BorrowQuestion): void {
  const fail = (what: string): never => {
    throw new LendingError('model', { what })
  }
  const { templateHash, manifestHash, vocabSize } = question
  if (!equal(offered.manifestHash, manifestHash)) fail('the lender means another manifest')
  if (!equal(offered.templateHash, templateHash)) fail('the lender means another chat template')
  if (offered.vocabSize !== vocabSize) fail('the lender means another vocabulary')
}
