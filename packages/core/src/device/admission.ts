import { to0x, toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { unsettled } from '../clearing/keeper.ts'
import { openAnswerPayee } from '../clearing/payee.ts'
import { isYoung, youngLeft } from '../clearing/young-deposits.ts'
import { LendingError } from '../errors.ts'
import { createInTurn } from '../in-turn.ts'
import type { Admission } from '../lending/lent-answer.ts'
import { existing } from '../storage.ts'
import type { OfferedPayment } from '../wire/offer.ts'
import type { Terms } from '../wire/transcript.ts'
import type { Audience } from './audience.ts'
import type { LentBook } from './lent-book.ts'
import type { LentModels } from './lent-models.ts'
import type { OfferDesk } from './offer-desk.ts'
import type { Parts } from './parts.ts'
import { createPlaces } from './places.ts'

export interface AdmissionInit {
  /** Answers at once, and answers that may wait for their turn. */
  parallel: number
  maxQueue: number
  /** Most unsettled token units on one channel. */
  maxUnsettled: bigint
  /** Of deposits that are not deep in the chain yet, so many token units count, all channels together. */
  maxYoung: bigint
  /** How many exposures are forgiven to one borrower before it gets no more credit. */
  forgivenExposures: number
}

/** A request that comes later is looked at anew. */
const SOON_MS = 1_000

/**
 * Decides whom a lender serves: who asks under an offer in force, for a model that is lent, while
 * there is a place, on a channel that can pay, without debts.
 */
export function createAdmission(
  init: AdmissionInit,
  {
    tables,
    clock,
    deadlines,
    checkVoucher,
  }: Pick<Parts, 'tables' | 'clock' | 'deadlines' | 'checkVoucher'>,
  services: { book: LentBook; desk: OfferDesk; models: LentModels; audience: Audience },
): (open: Terms['open'], peer: Uint8Array) => Promise<Admission> {
  const { book, desk, models, audience } = services
  const { parallel, maxQueue, maxUnsettled, maxYoung, forgivenExposures } = init
  // A borrower hears within its handshake's deadline whether there is a place.
  const waitMs = deadlines.handshakeMs / 2
  const places = createPlaces({ running: parallel, waiting: maxQueue, waitMs }, { clock })
  // Two that rest on young deposits must not both find the same room under their cap.
  const youngInTurn = createInTurn()

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
        const terms = { prices, promptTokens, maxTokens, startedAtMs }
        const start = (youngUnits: bigint) =>
          openAnswerPayee(tables.channels, id, { reqId, ...terms, youngUnits }, checkVoucher)
        if (!isYoung(existing(await tables.channels.get(id), id))) return start(maxYoung)
        return youngInTurn(async () => start(await youngLeft(tables.channels, id, maxYoung)))
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
    const borrower = toHex(peer)
    const terms = await audience.termsFor(borrower)
    const { payment } = desk.inForce(open.offerHash, terms)
    const { offered } = models.byId(open.modelId)
    const place = await places.hold(borrower)
    const release = () => place.release()
    try {
      const granted = await admitPayment(payment, open, borrower)
      const { model } = await models.take(open.modelId)
      const readyMs = clock.now()
      const begin = async () => {
        place.keep()
        if (clock.now() - readyMs < SOON_MS) return
        // Meanwhile it may have come to owe something, the channel to be left, or a friend to be none any more.
        if (terms.isFree && !(await audience.termsFor(borrower)).isFree) {
          throw new LendingError('standing', { what: 'you are served on other terms now' })
        }
        await admitPayment(payment, open, borrower)
      }
      return { model, offered, payment: granted, revoked: place.signal, begin, release }
    } catch (error) {
      release()
      throw error
    }
  }
}
