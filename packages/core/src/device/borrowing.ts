import { sha256 } from '@noble/hashes/sha2.js'
import { NEW_STANDING } from '../audit/standing.ts'
import { concat, equal, from0x, toHex, u32le } from '../bytes.ts'
import { noteSigned, rawCost } from '../clearing/meter.ts'
import { openAnswerPayer } from '../clearing/payer.ts'
import { ClearingError, LendingError, UsageError } from '../errors.ts'
import type { Borrowed } from '../lending/borrow-terms.ts'
import { borrowAnswer } from '../lending/borrower.ts'
import { framesOver } from '../mesh/frames-over-stream.ts'
import { ANSWER_PROTOCOL } from '../mesh/protocols.ts'
import { isWithin } from '../routing/route.ts'
import { existing } from '../storage.ts'
import type { Scope, Verdict } from '../wire/frames.ts'
import { type OfferedModel, offerHash } from '../wire/offer.ts'
import type { AuditReport, AuditService } from './audits.ts'
import type { ChannelService } from './channels.ts'
import { endBorrowedLeftOvers, RUNNING } from './left-overs.ts'
import { isMeant } from './offers.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'
import type { AnswerRecord } from './records.ts'
import { createTurns, type Turn } from './turns.ts'

export interface LenderQuestion {
  /** Id in hex, or a name that lenders know the model by. */
  model: string
  /** What to call it in a sentence. */
  name: string
  scope: Exclude<Scope, 'device'>
  /** Only this lender, by its device key in hex. */
  lender?: string | undefined
  /** None of these, by their device keys in hex. */
  except?: ReadonlySet<string> | undefined
  signal?: AbortSignal | undefined
}

/** A lender, and what it offers of the model that is meant. */
export interface Candidate {
  known: KnownOffer
  offered: OfferedModel
}

/** The lender to borrow from, and all devices that offer the model with the same manifest. */
export interface Choice extends Candidate {
  sources: KnownOffer[]
}

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
  signal?: AbortSignal | undefined
  onTokens?: ((ids: readonly number[]) => void) | undefined
}

export interface BorrowResult {
  record: AnswerRecord
  ids: number[]
  borrowed: Borrowed
  /** Coin, audit if drawn, and the hold-back: goes on after the answer is there. */
  settled: Promise<AuditReport | null>
}

/** How long before a hold-back's deadline it is paid at the latest. */
const HAND_OVER_MS = 5_000

/** Borrowing answers from lenders that scope, standing and money allow. */
export interface BorrowService {
  /**
   * The cheapest lender of a model that scope, standing and money allow.
   * @throws LendingError saying why there is none, UsageError when a name means several models
   */
  choose(question: LenderQuestion): Promise<Choice>
  borrow(question: BorrowQuestion): Promise<BorrowResult>
  /** Resolves when every ended answer is audited and paid. */
  idle(): Promise<void>
}

export function createBorrowService(
  parts: Parts,
  services: { peers: PeerService; audits: AuditService; channels: ChannelService },
): BorrowService {
  const { tables, identity, clock, random, log, mesh, deadlines, egress } = parts
  const { peers, audits, channels } = services
  const running = new Set<Promise<unknown>>()
  const turns = createTurns()
  /** Answers whose own stream may still carry their last voucher. */
  const leaving = new Set<string>()

  /** Offers of everybody, or of the one lender that is meant. */
  async function meantOffers({ lender, signal }: LenderQuestion): Promise<KnownOffer[]> {
    const all = await peers.offers({ signal })
    return lender === undefined ? all : all.filter((known) => toHex(known.lender) === lender)
  }

  /** Who offers a model within the scope and was never convicted; payable or not. */
  async function candidates(question: LenderQuestion): Promise<Candidate[]> {
    const found: Candidate[] = []
    for (const known of await meantOffers(question)) {
      const device = toHex(known.lender)
      if (question.except?.has(device)) continue
      if (!isWithin(question.scope, known.rung)) continue
      if ((await tables.standing.get(device))?.refusedBecause) continue
      for (const offered of meantModels(known, question.model)) found.push({ known, offered })
    }
    return requireOneModel(found, question.model)
  }

  async function choose(question: LenderQuestion): Promise<Choice> {
    await endBorrowedLeftOvers(parts)
    const all = await candidates(question)
    const payable: Candidate[] = []
    for (const candidate of all) {
      const { known } = candidate
      const isFree = known.offer.payment === null
      if (isFree || (await channels.payable(known)) !== null) payable.push(candidate)
    }
    const price = ({ known }: Candidate) => known.offer.payment?.prices.output ?? 0
    const [chosen] = payable.sort((one, other) => price(one) - price(other))
    if (chosen === undefined) throw await explainNobody(question)
    const same = all.filter(({ offered }) =>
      equal(offered.manifestHash, chosen.offered.manifestHash),
    )
    const sources = [chosen, ...same.filter((one) => one.known !== chosen.known)]
    return { ...chosen, sources: sources.map(({ known }) => known) }
  }

  /** Says why nobody may be asked, by what is in the way. */
  async function explainNobody(question: LenderQuestion): Promise<LendingError> {
    const all = await meantOffers(question)
    const next = 'See freehold offers'
    const what = `nobody lends ${question.name} to this request`
    if (all.length === 0) {
      return new LendingError('lost', { what, why: 'no lender is known or reachable', next })
    }
    const has = all.filter((known) => meantModels(known, question.model).length > 0)
    if (has.length === 0)
      return new LendingError('model', { what, why: 'none of them has it', next })
    const inScope = has.filter(({ rung }) => isWithin(question.scope, rung))
    if (inScope.length === 0) {
      return new LendingError('standing', {
        what,
        why: `scope "${question.scope}" reaches none`,
        next,
      })
    }
    const refused = await Promise.all(
      inScope.map(async ({ lender }) => (await tables.standing.get(toHex(lender)))?.refusedBecause),
    )
    if (refused.every(Boolean)) {
      return new LendingError('standing', { what, why: `failed audits: ${refused[0]}`, next })
    }
    const how = 'Open a channel: freehold wallet open ADDRESS AMOUNT'
    return new LendingError('payment', { what, why: 'none of them can be paid now', next: how })
  }

  async function borrow(question: BorrowQuestion): Promise<BorrowResult> {
    const { from, signal } = question
    const turn = await turns.take(toHex(from.known.lender), { signal })
    let current = from
    const ask = () => borrowFrom({ ...question, from: current }, turn)
    try {
      return await turn.run(
        async () => {
          // An offer may have run out while this request waited in line.
          if (current.known.offer.expiresAtMs <= clock.now()) current = await renew(current, signal)
          try {
            return await ask()
          } catch (error) {
            if (!(error instanceof LendingError) || error.reason !== 'expired-offer') throw error
            // A lender that was started anew knows nothing of its earlier offers: nothing was sent yet.
            current = await renew(current, signal)
            return await ask()
          }
        },
        { signal },
      )
    } catch (error) {
      turn.end()
      throw error
    }
  }

  /** The same model in the lender's present offer. */
  async function renew(
    { known, offered }: Candidate,
    signal: AbortSignal | undefined,
  ): Promise<Candidate> {
    const now = await peers.ask(known.address, { signal })
    const same = now.offer.models.find((model) => equal(model.manifestHash, offered.manifestHash))
    if (same !== undefined && equal(now.lender, known.lender)) return { known: now, offered: same }
    throw new LendingError('model', { what: 'the lender does not offer this model any more' })
  }

  async function borrowFrom(question: BorrowQuestion, turn: Turn): Promise<BorrowResult> {
    if (mesh === null)
      throw new LendingError('lost', { what: 'this device runs without a network' })
    const { known, offered: model } = question.from
    requireSameModel(model, question)
    const { payment } = known.offer
    const channel = payment === null ? null : await channels.payable(known)
    if (payment !== null && channel === null) {
      throw new ClearingError({ what: 'this lender cannot be paid now' })
    }
    await channels
      .deliver(known, leaving)
      .catch((error) => log('borrow.deliver', { error: String(error) }))
    const reqId = random(16)
    const id = toHex(reqId)
    const { promptIds, maxTokens, stopIds, scope } = question
    const content = concat(...promptIds.map(u32le))
    const prices = payment?.prices ?? { prompt: 0, cached: 0, output: 0 }
    const departure = {
      digest: toHex(sha256(content)),
      sizeBytes: content.length,
      to: toHex(known.lender),
      scope,
      why: question.why,
      priceUnits: String(units(rawCost(prices, promptIds.length, 0, maxTokens))),
    }
    const { signal } = question
    const { stream, peer } = await mesh.open(known.address, ANSWER_PROTOCOL, { signal })
    if (!equal(peer, known.lender)) {
      const error = new LendingError('protocol', { what: 'another device answers at this address' })
      stream.abort(error)
      throw error
    }
    const signer = identity?.voucherSigner
    const begun: AnswerRecord = {
      id,
      lender: toHex(known.lender),
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
    const borrowed = await borrowAnswer(
      framesOver(stream),
      {
        lender: known.lender,
        open: {
          offerHash: offerHash(known.offer),
          modelId: model.modelId,
          reqId,
          channelId: channel && from0x(channel.id),
          scope,
        },
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
                await tables.answers.update(id, () => ({
                  ...{ ...begun, evidence, tokens: count, priceUnits },
                }))
                await tables.channels.update(channel.id, (old) => old && noteSigned(old, id, count))
              },
        deadlines,
        signal,
        onTokens: question.onTokens,
      },
      { clock, random, log },
    )
    const { evidence } = borrowed
    const tokens = evidence?.signed?.count ?? 0
    const record: AnswerRecord = {
      ...begun,
      end: borrowed.end,
      tokens,
      evidence,
      priceUnits: tokens === 0 ? 0n : units(rawCost(prices, promptIds.length, 0, tokens)),
      heldUnits: units(rawCost(prices, 0, 0, borrowed.heldTokens)),
    }
    await tables.answers.update(id, () => record)
    await noteAnswer(record, borrowed)
    const settled = settleAnswer(record, borrowed, payment?.holdBackMs ?? null).finally(() =>
      turn.end(),
    )
    track(settled)
    return { record, ids: evidence?.ids ?? [], borrowed, settled }
  }

  async function noteAnswer(record: AnswerRecord, borrowed: Borrowed): Promise<void> {
    const isBroken = borrowed.error !== null && borrowed.end !== 'cancelled'
    await tables.standing.update(record.lender, (old) => {
      const standing = old ?? NEW_STANDING
      return {
        ...standing,
        answers: standing.answers + 1,
        tokens: standing.tokens + record.tokens,
        brokenOff: standing.brokenOff + (isBroken ? 1 : 0),
        lateRefusals: standing.lateRefusals + (borrowed.isRefusedLate ? 1 : 0),
      }
    })
  }

  /** Draws the coin, audits if it falls so, then pays or keeps the hold-back. */
  async function settleAnswer(
    record: AnswerRecord,
    borrowed: Borrowed,
    holdBackMs: number | null,
  ): Promise<AuditReport | null> {
    const isDrawn = await audits.draw(record)
    await tables.answers.update(record.id, (old) => ({ ...existing(old, record.id), isDrawn }))
    // The hold-back is paid in time even when the audit is not done.
    const late = holdBackMs === null ? undefined : AbortSignal.timeout(auditMs(holdBackMs))
    let report: AuditReport | null = null
    if (isDrawn) {
      try {
        report = await audits.audit(record.id, { signal: late })
      } catch (error) {
        log('audit.pending', { receipt: record.id, error: String(error) })
      }
    }
    // Another answer may have convicted the lender meanwhile: it is not paid any more.
    const isConvicted = Boolean((await tables.standing.get(record.lender))?.refusedBecause)
    const verdict: Verdict = isConvicted ? 'fail' : (report?.pooled ?? 'pending')
    if (record.payment === 'free') {
      await borrowed.conclude(verdict)
      return report
    }
    const payment = verdict === 'fail' ? 'withheld' : 'paid'
    // The record first: should this process die, the channel still says what is left to do.
    const paid = await tables.answers.update(record.id, (old) => ({
      ...existing(old, record.id),
      payment,
    }))
    leaving.add(record.id)
    await borrowed.conclude(verdict).finally(() => leaving.delete(record.id))
    return report && { ...report, record: existing(paid, record.id) }
  }

  function track(work: Promise<unknown>): void {
    const done = work
      .catch((error) => log('borrow.settle', { error: String(error) }))
      .finally(() => running.delete(done))
    running.add(done)
  }

  return {
    choose,
    borrow,
    idle: async () => {
      await Promise.all(running)
    },
  }
}

/** Longest time for an audit: the lender began to count earlier, and the voucher has a way to go. */
function auditMs(holdBackMs: number): number {
  return holdBackMs - Math.min(HAND_OVER_MS, holdBackMs / 4)
}

function units(raw: bigint): bigint {
  return (raw + 999_999n) / 1_000_000n
}

function meantModels({ offer }: KnownOffer, meant: string): OfferedModel[] {
  return offer.models.filter((model) => isMeant(model, meant))
}

/** A name is only an alias: who means something else by it may not be borrowed from by mistake. */
function requireOneModel(found: Candidate[], meant: string): Candidate[] {
  const ids = (some: Candidate[]) => new Set(some.map(({ offered }) => toHex(offered.modelId)))
  if (ids(found).size <= 1) return found
  const own = found.filter(({ known }) => known.rung === 'own')
  if (ids(own).size === 1) return own
  throw new UsageError({
    what: `several models are called ${meant}`,
    why: [...ids(found)].join(', '),
    next: 'Name the one that you mean by its id',
  })
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
