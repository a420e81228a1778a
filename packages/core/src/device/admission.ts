import { equal, to0x, toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { unsettled } from '../clearing/keeper.ts'
import { openAnswerPayee } from '../clearing/payee.ts'
import type { Model } from '../engine/engine.ts'
import { LendingError } from '../errors.ts'
import type { Admission } from '../lending/lent-answer.ts'
import type { OfferedModel, OfferedPayment } from '../wire/offer.ts'
import type { Terms } from '../wire/transcript.ts'
import type { LentBook } from './lent-book.ts'
import type { OfferDesk } from './offer-desk.ts'
import type { ModelFile, Parts } from './parts.ts'
import { createPlaces } from './places.ts'

export interface AdmissionInit {
  /** Answers at once, and answers that may wait for their turn. */
  parallel: number
  maxQueue: number
  contextTokens: number
  /** Most unsettled token units on one channel. */
  maxUnsettled: bigint
  /** How many exposures are forgiven to one borrower before it gets no more credit. */
  forgivenExposures: number
}

/** A model that is lent, the name that it is loaded by, and its file. */
export interface LentModel {
  name: string
  file: ModelFile
  offered: OfferedModel
}

/**
 * Decides whom a lender serves: who asks under an offer in force, for a model that is lent, while
 * there is a place, on a channel that can pay, without debts.
 */
export function createAdmission(
  init: AdmissionInit,
  { tables, clock, shelf, deadlines }: Pick<Parts, 'tables' | 'clock' | 'shelf' | 'deadlines'>,
  { book, desk, models }: { book: LentBook; desk: OfferDesk; models: readonly LentModel[] },
): (open: Terms['open'], peer: Uint8Array) => Promise<Admission> {
  const { parallel, maxQueue, contextTokens, maxUnsettled, forgivenExposures } = init
  // A borrower hears within its handshake's deadline whether there is a place.
  const waitMs = deadlines.handshakeMs / 2
  const places = createPlaces({ running: parallel, waiting: maxQueue, waitMs }, { clock })

  /** The model in memory; loaded anew when the process that held it died. */
  async function loadedModel({ name, offered }: LentModel): Promise<Model> {
    const loaded = await shelf.byId(toHex(offered.modelId))
    if (loaded !== undefined) return loaded.model
    const { model } = await shelf.take(name, { contextTokens, sequences: parallel })
    if (model.info.modelId === toHex(offered.modelId)) return model
    throw new LendingError('model', { what: 'the file of this model has changed' })
  }

  async function admitPayment(
    payment: OfferedPayment | null,
    { channelId, modelId }: Terms['open'],
    borrower: string,
  ): Promise<Admission['payment']> {
    if (payment === null) return null
    if (channelId === null) {
      throw new LendingError('payment', { what: 'this lender is paid by channel' })
    }
    const id = to0x(channelId)
    const channel = requirePayable(await tables.channels.get(id), borrower, payment)
    await book.requireCredit(channel, { payment, exposures: forgivenExposures })
    const { windowTokens, holdBackMs, prices } = payment
    const isKnown = await book.hasHistory(borrower)
    return {
      windowTokens,
      promptCapTokens: isKnown ? Number.MAX_SAFE_INTEGER : payment.promptCapTokens,
      holdBackMs,
      channelId,
      openPayee: async (reqId, promptTokens, maxTokens) => {
        const startedAtMs = clock.now()
        await book.begin(reqId, { borrower, modelId: toHex(modelId), startedAtMs, promptTokens })
        const answer = { reqId, prices, promptTokens, maxTokens, startedAtMs }
        return openAnswerPayee(tables.channels, id, answer)
      },
    }
  }

  function requirePayable(
    channel: ChannelRecord | undefined,
    borrower: string,
    { leastExitDelaySeconds }: OfferedPayment,
  ): ChannelRecord {
    const refuse = (what: string): never => {
      throw new LendingError('payment', { what })
    }
    if (channel?.role !== 'payee' || channel.peer !== borrower) {
      return refuse('no such channel with you')
    }
    if (channel.status !== 'open') return refuse(`the channel is ${channel.status}`)
    if (clock.now() - channel.seenAtMs >= (leastExitDelaySeconds * 1_000) / 4) {
      return refuse('the chain was not seen for too long')
    }
    if (unsettled(channel) >= maxUnsettled) refuse('too much is unsettled on this channel')
    return channel
  }

  return async (open, peer) => {
    const { payment } = desk.inForce(open.offerHash)
    const found = models.find(({ offered }) => equal(offered.modelId, open.modelId))
    if (found === undefined) {
      throw new LendingError('model', { what: 'this model is not lent here' })
    }
    const borrower = toHex(peer)
    const release = await places.take(borrower)
    try {
      const granted = await admitPayment(payment, open, borrower)
      return { model: await loadedModel(found), offered: found.offered, payment: granted, release }
    } catch (error) {
      release()
      throw error
    }
  }
}
