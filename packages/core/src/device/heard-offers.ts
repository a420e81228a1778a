import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { peerName } from '../identity/peer-name.ts'
import type { Judgement, OfferJudge } from '../mesh/offer-gossip.ts'
import type { Clock, Log } from '../platform.ts'
import { decodeOffer, type Offer } from '../wire/offer.ts'
import { checkOffer } from './offers.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'

/**
 * An honest lender tells a new offer every two minutes or so, and once more when what it lends changes. What is more in a
 * minute lies; who tells more of its own is blamed.
 */
const OFFERS_OF_LENDER = 4
/**
 * Offers looked at in a minute: each costs four signatures, 20 ms of portable code, so 4 % of one core at
 * most goes into what strangers say.
 */
const OFFERS_IN_ALL = 120
/** What one neighbour may bring: an honest one passes on what it took itself, by the same limit. */
const OFFERS_OF_NEIGHBOUR = 2 * OFFERS_IN_ALL
const WINDOW_MS = 60_000
/** An offer that ended on its way is nobody's fault. */
const LATE_MS = 60_000

/** Judges offers that others tell. @param learn keeps one that holds; false: it was known */
export function createHeardOffers(
  { clock, log }: { clock: Clock; log: Log },
  learn: (offer: Offer) => Promise<boolean>,
): OfferJudge {
  const inAll = Number.MAX_SAFE_INTEGER
  const neighbours = createRateLimit(
    { windowMs: WINDOW_MS, perDevice: OFFERS_OF_NEIGHBOUR, inAll },
    clock,
  )
  const lenders = createRateLimit(
    { windowMs: WINDOW_MS, perDevice: OFFERS_OF_LENDER, inAll: OFFERS_IN_ALL },
    clock,
  )

  async function judge(data: Uint8Array, from: Uint8Array, isOwn: boolean): Promise<Judgement> {
    if (!hasRoom(lenders, toHex(from))) return isOwn ? 'reject' : 'ignore'
    const offer = decodeOffer(data)
    if (!equal(offer.certificate.device, from)) return 'reject'
    const nowMs = clock.now()
    if (offer.expiresAtMs <= nowMs && offer.expiresAtMs > nowMs - LATE_MS) return 'ignore'
    await checkOffer(offer, from, nowMs)
    return (await learn(offer)) ? 'accept' : 'ignore'
  }

  return async (data, from, bringer) => {
    if (!hasRoom(neighbours, bringer)) return 'reject'
    try {
      return await judge(data, from, peerName(from) === bringer)
    } catch (error) {
      log('offers.heard', { bringer, error: String(error) })
      return 'reject'
    }
  }
}

function hasRoom(limit: RateLimit, name: string): boolean {
  try {
    limit.take(name, 1)
    return true
  } catch (error) {
    if (error instanceof LendingError) return false
    throw error
  }
}
