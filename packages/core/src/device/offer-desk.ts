import { toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Offer } from '../wire/offer.ts'
import { offerHash } from '../wire/offer.ts'
import { makeOffer } from './offers.ts'
import type { DeviceComponents } from './parts.ts'

/** The offers that a lender has made and has to keep. */
export interface OfferDesk {
  /** An offer with at least half of its life before it. */
  current(): Promise<Offer>
  /** The offer of this hash. @throws LendingError `expired-offer` when it is not in force */
  inForce(hash: Uint8Array): Offer
}

export function createOfferDesk(
  init: Pick<Parameters<typeof makeOffer>[1], 'models' | 'payment' | 'lifeMs'>,
  { identity, clock, addresses }: OfferDeskComponents,
): OfferDesk {
  const offers = new Map<string, Offer>()
  return {
    current: async () => {
      const nowMs = clock.now()
      const made = [...offers.values()]
      const fresh = made.findLast(({ expiresAtMs }) => expiresAtMs - nowMs > init.lifeMs / 2)
      if (fresh) return fresh
      for (const [hash, { expiresAtMs }] of offers) if (expiresAtMs <= nowMs) offers.delete(hash)
      const offer = await makeOffer(identity, { ...init, addresses: addresses(), nowMs })
      offers.set(toHex(offerHash(offer)), offer)
      return offer
    },
    inForce: (hash) => {
      const offer = offers.get(toHex(hash))
      if (offer !== undefined && offer.expiresAtMs > clock.now()) return offer
      throw new LendingError('expired-offer', { what: 'this offer is not in force' })
    },
  }
}

interface OfferDeskComponents {
  identity: NonNullable<DeviceComponents['identity']>
  clock: DeviceComponents['clock']
  addresses: () => string[]
}
