import { toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Offer } from '../wire/offer.ts'
import { offerHash } from '../wire/offer.ts'
import { makeOffer } from './offers.ts'
import type { DeviceComponents } from './parts.ts'

/** The offers that a lender has made and has to keep: one for who pays, one for who does not. */
export interface OfferDesk {
  /** An offer with at least half of its life before it. @param isFree for whom money is not taken from */
  current(init?: { isFree: boolean }): Promise<Offer>
  /**
   * The offer of this hash.
   * @param isFree whether who asks under it pays nothing
   * @throws LendingError `expired-offer` when it is not in force, `standing` when it is for others
   */
  inForce(hash: Uint8Array, init: { isFree: boolean }): Offer
}

export function createOfferDesk(
  init: Pick<Parameters<typeof makeOffer>[1], 'models' | 'payment' | 'lifeMs'>,
  { identity, clock, addresses }: OfferDeskComponents,
): OfferDesk {
  const offers = new Map<string, Offer>()
  return {
    current: async ({ isFree } = { isFree: false }) => {
      const nowMs = clock.now()
      const payment = isFree ? null : init.payment
      const made = [...offers.values()].filter(
        (offer) => (offer.payment === null) === (payment === null),
      )
      const fresh = made.findLast(({ expiresAtMs }) => expiresAtMs - nowMs > init.lifeMs / 2)
      if (fresh) return fresh
      for (const [hash, { expiresAtMs }] of offers) if (expiresAtMs <= nowMs) offers.delete(hash)
      const terms = { ...init, payment, addresses: addresses(), nowMs }
      const offer = await makeOffer(identity, terms)
      offers.set(toHex(offerHash(offer)), offer)
      return offer
    },
    inForce: (hash, { isFree }) => {
      const offer = offers.get(toHex(hash))
      if (offer === undefined || offer.expiresAtMs <= clock.now()) {
        throw new LendingError('expired-offer', { what: 'this offer is not in force' })
      }
      if (offer.payment === null && init.payment !== null && !isFree) {
        throw new LendingError('standing', { what: 'this offer was made to others' })
      }
      return offer
    },
  }
}

interface OfferDeskComponents {
  identity: NonNullable<DeviceComponents['identity']>
  clock: DeviceComponents['clock']
  addresses: () => string[]
}
