import { NEW_STANDING } from '../audit/standing.ts'
import { equal, to0x, toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { unsettled } from '../clearing/keeper.ts'
import { openAnswerPayee } from '../clearing/payee.ts'
import type { Model } from '../engine/engine.ts'
import { IdentityError, LendingError, UsageError } from '../errors.ts'
import { lendAnswer } from '../lending/lender.ts'
import type { Admission, LentAnswer } from '../lending/lent-answer.ts'
import { framesOver, messagesOver } from '../mesh/frames-over-stream.ts'
import { ANSWER_PROTOCOL, CHANNEL_PROTOCOL, OFFER_PROTOCOL } from '../mesh/protocols.ts'
import { manifestHash } from '../wire/manifest.ts'
import { encodeOffer, type Offer, type OfferedPayment, offerHash } from '../wire/offer.ts'
import type { Terms } from '../wire/transcript.ts'
import { answerChannelStream, type ChannelService } from './channels.ts'
import { endLentLeftOvers, RUNNING, startsOf } from './left-overs.ts'
import { describeModel, makeOffer } from './offers.ts'
import type { Parts } from './parts.ts'
import { createPlaces } from './places.ts'
import type { LentRecord } from './records.ts'

/** What a lender asks; the account that is paid is this device's own. */
export type LendTerms = Omit<OfferedPayment, 'payee' | 'payeeSig'>

export interface LendInit {
  /** Names of the models to lend. */
  models: readonly string[]
  /** null: free. */
  payment: LendTerms | null
  contextTokens?: number | undefined
  /** Answers at once, and answers that may wait for their turn. */
  parallel?: number | undefined
  maxQueue?: number | undefined
  offerLifeMs?: number | undefined
  /** Most unsettled token units on one channel, and on one that is too young to be sure of. */
  maxUnsettled?: bigint | undefined
  /** Called when an answer has ended. */
  onAnswer?: ((answer: LentRecord) => void) | undefined
}

export interface Lending extends AsyncDisposable {
  addresses(): string[]
  /** The offer that a borrower would get now. */
  offer(): Promise<Offer>
}

export interface LendingService {
  /** Starts lending. @throws IdentityError without keys, ModelError when a model is not here */
  start(init: LendInit): Promise<Lending>
}

const DEFAULTS = {
  parallel: 4,
  maxQueue: 8,
  offerLifeMs: 5 * 60_000,
  contextTokens: 2_048,
  maxUnsettled: 1_000_000_000n,
}
const MAX_REQUEST_BYTES = 4_096

export function createLendingService(
  parts: Parts,
  { channels }: { channels: ChannelService },
): LendingService {
  const { mesh, identity, clock, shelf, tables } = parts

  async function start(init: LendInit): Promise<Lending> {
    if (mesh === null || identity === null) {
      throw new IdentityError({ what: 'lending needs keys and a network' })
    }
    const limits = withDefaults(init)
    if (init.payment !== null && init.payment.windowTokens < 1) {
      throw new UsageError({ what: 'a window of no tokens lets no answer begin' })
    }
    const { parallel: sequences, contextTokens } = limits
    const loaded = await Promise.all(
      init.models.map(async (name) => ({
        name,
        ...(await shelf.take(name, { contextTokens, sequences })),
      })),
    )
    const models = loaded.map(({ name, model, manifest }) => ({
      name,
      offered: describeModel(model, manifestHash(manifest)),
    }))
    const offers = new Map<string, Offer>()
    const stop = new AbortController()
    const places = createPlaces({
      inAll: limits.parallel + limits.maxQueue,
      perDevice: limits.parallel,
    })

    async function offer(): Promise<Offer> {
      const now = clock.now()
      const fresh = [...offers.values()].findLast(
        ({ expiresAtMs }) => expiresAtMs - now > limits.offerLifeMs / 2,
      )
      if (fresh) return fresh
      for (const [hash, { expiresAtMs }] of offers) if (expiresAtMs <= now) offers.delete(hash)
      const made = await makeOffer(identity as NonNullable<typeof identity>, {
        models: models.map(({ offered }) => offered),
        payment: init.payment,
        addresses: (mesh as NonNullable<typeof mesh>).addresses(),
        nowMs: now,
        lifeMs: limits.offerLifeMs,
      })
      offers.set(toHex(offerHash(made)), made)
      return made
    }

    async function admit(open: Terms['open'], peer: Uint8Array): Promise<Admission> {
      const known = offers.get(toHex(open.offerHash))
      if (known === undefined || known.expiresAtMs <= clock.now()) {
        throw new LendingError('expired-offer', { what: 'this offer is not in force' })
      }
      const found = models.find(({ offered }) => equal(offered.modelId, open.modelId))
      if (found === undefined) {
        throw new LendingError('model', { what: 'this model is not lent here' })
      }
      const release = places.take(toHex(peer))
      try {
        const payment = await admitPayment(known, open, peer)
        return { model: await loadedModel(found), offered: found.offered, payment, release }
      } catch (error) {
        release()
        throw error
      }
    }

    /** The model in memory; loaded anew when the process that held it died. */
    async function loadedModel({ name, offered }: (typeof models)[number]): Promise<Model> {
      const loaded = await shelf.byId(toHex(offered.modelId))
      if (loaded !== undefined) return loaded
      const { model } = await shelf.take(name, { contextTokens, sequences })
      if (model.info.modelId === toHex(offered.modelId)) return model
      throw new LendingError('model', { what: 'the file of this model has changed' })
    }

    async function admitPayment(
      { payment }: Offer,
      { channelId, modelId }: Terms['open'],
      peer: Uint8Array,
    ) {
      if (payment === null) return null
      if (channelId === null) {
        throw new LendingError('payment', { what: 'this lender is paid by channel' })
      }
      const id = to0x(channelId)
      const record = await tables.channels.get(id)
      requirePayable(record, toHex(peer), payment)
      await requireCredit(record, toHex(peer), payment.holdBackMs)
      const { windowTokens, promptCapTokens, holdBackMs, prices } = payment
      const cap = (await hasHistory(peer)) ? Number.MAX_SAFE_INTEGER : promptCapTokens
      return {
        windowTokens,
        promptCapTokens: cap,
        holdBackMs,
        channelId,
        openPayee: async (reqId: Uint8Array, promptTokens: number, maxTokens: number) => {
          await noteStart(reqId, modelId, peer, promptTokens)
          return openAnswerPayee(tables.channels, id, { reqId, prices, promptTokens, maxTokens })
        },
      }
    }

    function requirePayable(
      record: ChannelRecord | undefined,
      peer: string,
      { leastExitDelaySeconds }: OfferedPayment,
    ): asserts record {
      const refuse = (what: string): never => {
        throw new LendingError('payment', { what })
      }
      if (record?.role !== 'payee' || record.peer !== peer) refuse('no such channel with you')
      else if (record.status !== 'open') refuse(`the channel is ${record.status}`)
      else if (clock.now() - record.seenAtMs >= (leastExitDelaySeconds * 1_000) / 4) {
        refuse('the chain was not seen for too long')
      } else if (unsettled(record) >= limits.maxUnsettled) {
        refuse('too much is unsettled on this channel')
      }
    }

    /** Books hold-backs whose deadline passed; a borrower that keeps them gets no more credit. */
    async function requireCredit(
      known: ChannelRecord,
      peer: string,
      holdBackMs: number,
    ): Promise<void> {
      const starts = await startsOf(known, tables.lent)
      const { deadlines } = parts
      const record = await tables.channels.update(
        known.id,
        (old) =>
          old && endLentLeftOvers(old, starts, { nowMs: clock.now(), holdBackMs, deadlines }),
      )
      const unpaid = Object.values(record?.answers ?? {}).filter(
        ({ state }) => state === 'unpaid' || state === 'withheld',
      ).length
      await tables.standing.update(peer, (old) => ({
        ...(old ?? NEW_STANDING),
        unpaidHoldBacks: unpaid,
      }))
      if (unpaid === 0) return
      throw new LendingError('standing', { what: `${unpaid} hold-backs of yours were never paid` })
    }

    /** On disk before the channel is: whoever finds the answer unfinished can tell how old it is. */
    async function noteStart(
      reqId: Uint8Array,
      modelId: Uint8Array,
      peer: Uint8Array,
      promptTokens: number,
    ): Promise<void> {
      const id = toHex(reqId)
      await tables.lent.update(id, (old) => {
        if (old !== undefined) {
          throw new LendingError('protocol', { what: 'this request id was used before' })
        }
        return {
          id,
          borrower: toHex(peer),
          modelId: toHex(modelId),
          startedAtMs: clock.now(),
          tokens: 0,
          promptTokens,
          end: RUNNING,
          isUnpaid: false,
          verdict: null,
        }
      })
    }

    async function hasHistory(peer: Uint8Array): Promise<boolean> {
      const standing = await tables.standing.get(toHex(peer))
      return standing !== undefined && standing.lent > 0 && standing.unpaidHoldBacks === 0
    }

    async function book(answer: LentAnswer, modelId: Uint8Array, peer: Uint8Array, from: number) {
      if (answer.reqId === null) return
      const id = toHex(answer.reqId)
      const borrower = toHex(peer)
      const { tokens, promptTokens, isUnpaid, verdict } = answer
      const end = answer.error?.reason ?? answer.finish ?? 'lost'
      const base = { id, borrower, modelId: toHex(modelId), startedAtMs: from }
      const record = { ...base, tokens, promptTokens, end, isUnpaid, verdict }
      await tables.lent.update(id, () => record)
      await tables.standing.update(borrower, (old) => {
        const standing = old ?? NEW_STANDING
        return { ...standing, lent: standing.lent + 1 }
      })
      init.onAnswer?.(record)
    }

    await mesh.handle(OFFER_PROTOCOL, async (stream) => {
      const messages = messagesOver(stream, MAX_REQUEST_BYTES)
      await messages.write(encodeOffer(await offer()))
      await messages.close()
    })
    await mesh.handle(CHANNEL_PROTOCOL, async (stream, peer) => {
      const { payment } = await offer()
      await answerChannelStream(messagesOver(stream, MAX_REQUEST_BYTES), (request) =>
        channels.serve(request, peer, payment),
      )
    })
    await mesh.handle(ANSWER_PROTOCOL, async (stream, peer) => {
      const from = clock.now()
      let modelId: Uint8Array = new Uint8Array(32)
      const { random, log, deadlines } = parts
      const answer = await lendAnswer(
        framesOver(stream),
        { deadlines, signal: stop.signal },
        {
          clock,
          random,
          log,
          sign: (hash) => identity.sign(hash),
          admit: (open) => {
            modelId = open.modelId
            return admit(open, peer)
          },
        },
      )
      await book(answer, modelId, peer, from)
    })
    return {
      addresses: () => mesh.addresses(),
      offer,
      [Symbol.asyncDispose]: async () => {
        stop.abort(new LendingError('cancelled', { what: 'the lender stops' }))
      },
    }
  }

  return { start }
}

function withDefaults(init: LendInit) {
  return {
    parallel: init.parallel ?? DEFAULTS.parallel,
    maxQueue: init.maxQueue ?? DEFAULTS.maxQueue,
    offerLifeMs: init.offerLifeMs ?? DEFAULTS.offerLifeMs,
    contextTokens: init.contextTokens ?? DEFAULTS.contextTokens,
    maxUnsettled: init.maxUnsettled ?? DEFAULTS.maxUnsettled,
  }
}
