import { withinTime } from '../abort.ts'
import { fromHex, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { peerName } from '../identity/peer-name.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import { OFFER_PROTOCOL } from '../mesh/protocols.ts'
import type { Rung } from '../routing/route.ts'
import { MAX_OFFER_ADDRESSES, MAX_OFFER_BYTES } from '../wire/limits.ts'
import { decodeOffer, encodeOffer, type Offer } from '../wire/offer.ts'
import { checkOffer, isMeant } from './offers.ts'
import type { Parts } from './parts.ts'
import type { PeerRecord } from './records.ts'

/** A lender that is known, with an offer that holds. */
export interface KnownOffer {
  /** Device key. */
  lender: Uint8Array
  /** Where it answered. */
  address: string
  offer: Offer
  rung: Rung
}

/** The peer book: who was met where, and what they offer. */
export interface PeerService {
  /** Asks the device at `address` for its offer and remembers both. @throws LendingError */
  ask(address: string, init?: { signal?: AbortSignal | undefined }): Promise<KnownOffer>
  /** All offers in time; out-of-date ones are asked for anew. Unreachable peers are left out. */
  offers(init?: { signal?: AbortSignal | undefined }): Promise<KnownOffer[]>
  /** Whether somebody in the book offered a model of this name or id, in time or not. Asks nobody. */
  isOffered(model: string): Promise<boolean>
  /** Who a device is to this one. @param device its key, hex */
  rung(device: string): Promise<Rung>
}

/** Offers that end within this time are asked for anew. */
const LEAST_LIFE_MS = 30_000
/** For an offer that somebody wants to see; a request does not wait that long. */
const ASK_MS = 5_000
const MAX_PEERS = 1_000

export function createPeerService(parts: Parts): PeerService {
  const { mesh, clock, log, tables, identity, friends, deadlines, quarantine } = parts

  async function ask(
    address: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<KnownOffer> {
    if (mesh === null)
      throw new LendingError('lost', { what: 'this device runs without a network' })
    const either = withinTime(signal, ASK_MS)
    const { stream, peer } = await mesh.open(address, OFFER_PROTOCOL, { signal: either })
    const messages = messagesOver(stream, MAX_OFFER_BYTES)
    const data = await messages.read({ signal: either }).catch((error: Error) => {
      stream.abort(error)
      throw error
    })
    await messages.close()
    if (data === null) {
      throw new LendingError('lost', { what: `the device at ${address} lends nothing now` })
    }
    const offer = decodeOffer(data)
    await checkOffer(offer, peer, clock.now())
    await remember(peer, address, offer)
    return known(peer, address, offer)
  }

  async function remember(peer: Uint8Array, address: string, offer: Offer): Promise<void> {
    const device = toHex(peer)
    const isFull = (await tables.peers.list()).length >= MAX_PEERS
    await tables.peers.update(device, (old) => {
      if (old === undefined && isFull) return undefined
      const addresses = [...new Set([address, ...(old?.addresses ?? []), ...offer.addresses])]
      return {
        device,
        addresses: addresses.slice(0, MAX_OFFER_ADDRESSES),
        offer: encodeOffer(offer),
        seenAtMs: clock.now(),
      }
    })
  }

  function known(lender: Uint8Array, address: string, offer: Offer): KnownOffer {
    return { lender, address, offer, rung: rungOf(lender, offer) }
  }

  function rungOf(device: Uint8Array, offer: Offer | null): Rung {
    const owner = offer && toHex(offer.certificate.owner)
    if (identity !== null && owner === toHex(identity.owner)) return 'own'
    return friends.has(peerName(device)) ? 'friends' : 'market'
  }

  async function offerOf(
    record: PeerRecord,
    init: { signal?: AbortSignal | undefined },
  ): Promise<KnownOffer | null> {
    // Whom nobody reached a moment ago nobody waits for again.
    const isLost = (await quarantine.look(record.device)).isFresh
    for (const address of record.addresses) {
      const offer = record.offer && decodeOffer(record.offer)
      if (offer && offer.expiresAtMs > clock.now() + LEAST_LIFE_MS) {
        return known(offer.certificate.device, address, offer)
      }
      if (isLost) continue
      try {
        return await ask(address, { signal: withinTime(init.signal, deadlines.connectMs) })
      } catch (error) {
        init.signal?.throwIfAborted()
        log('peers.unreachable', { address, error: String(error) })
      }
    }
    if (record.addresses.length > 0 && !isLost) await quarantine.note(record.device, 'lost')
    return null
  }

  return {
    ask,
    rung: async (device) => {
      const offer = (await tables.peers.get(device))?.offer
      return rungOf(fromHex(device), offer ? decodeOffer(offer) : null)
    },
    offers: async (init = {}) => {
      const records = (await tables.peers.list()).map(([, record]) => record)
      const found = await Promise.all(records.map((record) => offerOf(record, init)))
      return found.filter((offer) => offer !== null)
    },
    isOffered: async (model) =>
      (await tables.peers.list()).some(
        ([, { offer }]) =>
          offer !== null && decodeOffer(offer).models.some((offered) => isMeant(offered, model)),
      ),
  }
}
