import { withinTime } from '../abort.ts'
import { fromHex, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { peerName } from '../identity/peer-name.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import { OFFER_PROTOCOL, OWN_PROTOCOL } from '../mesh/protocols.ts'
import type { Rung } from '../routing/route.ts'
import { MAX_OFFER_ADDRESSES, MAX_OFFER_BYTES } from '../wire/limits.ts'
import { decodeOffer, encodeOffer, type Offer } from '../wire/offer.ts'
import { encodeOwnRequest } from '../wire/own-messages.ts'
import { exchange } from './exchange.ts'
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
  /**
   * Asks the device at `address` for its offer and remembers both.
   * @param init.isExact whether another connection to it will not do
   * @throws LendingError
   */
  ask(
    address: string,
    init?: { signal?: AbortSignal | undefined; isExact?: boolean | undefined },
  ): Promise<KnownOffer>
  /** All offers in time; out-of-date ones are asked for anew. Unreachable peers are left out. */
  offers(init?: { signal?: AbortSignal | undefined }): Promise<KnownOffer[]>
  /** Whether somebody in the book offered a model of this name or id, in time or not. Asks nobody. */
  isOffered(model: string): Promise<boolean>
  /**
   * Keeps an offer that was checked, but not told by its lender itself.
   * @returns whether it is news: the offer that is known is older, or there is none
   */
  learn(offer: Offer): Promise<boolean>
  /** Who a device is to this one. @param device its key, hex */
  rung(device: string): Promise<Rung>
}

/** Offers that end within this time are asked for anew. */
const LEAST_LIFE_MS = 30_000
/** For an offer that somebody wants to see; a request does not wait that long. */
const ASK_MS = 5_000
/** Of a device that is met only while it is connected. */
const PLACELESS = /^\/p2p\/[^/]+$/
/** Offers in the book, of at most 16 kB: those of devices that were met, and of those told of. */
export const MAX_PEERS = 1_000
export const MAX_TOLD_PEERS = 500

export function createPeerService(parts: Parts): PeerService {
  const { mesh, clock, log, tables, identity, friends, pairs, deadlines, quarantine } = parts

  async function ask(
    address: string,
    { signal, isExact }: { signal?: AbortSignal | undefined; isExact?: boolean | undefined } = {},
  ): Promise<KnownOffer> {
    if (mesh === null)
      throw new LendingError('lost', { what: 'this device runs without a network' })
    const either = withinTime(signal, ASK_MS)
    const { stream, peer } = await mesh.open(address, OFFER_PROTOCOL, { signal: either, isExact })
    const messages = messagesOver(stream, MAX_OFFER_BYTES)
    const data = await messages.read({ signal: either }).catch((error: Error) => {
      stream.abort(error)
      throw error
    })
    await messages.close()
    const shown = data && decodeOffer(data)
    if (shown !== null) await checkOffer(shown, peer, clock.now())
    const offer = (await offerToOwn(address, peer, shown, either)) ?? shown
    if (offer === null) {
      throw new LendingError('lost', {
        what: `the device at ${address} lends nothing to this one now`,
      })
    }
    await remember(peer, address, offer)
    return known(peer, address, offer)
  }

  /**
   * What a device of one's own offers to its owner's devices. It may not know yet that this is one, so
   * this device shows its certificate: to who showed the same owner's, or is paired.
   */
  async function offerToOwn(
    address: string,
    peer: Uint8Array,
    shown: Offer | null,
    signal: AbortSignal,
  ): Promise<Offer | null> {
    if (mesh === null || identity === null) return null
    const isOwn =
      shown === null ? await pairs.isOwn(toHex(peer)) : (await rungOf(peer, shown)) === 'own'
    if (!isOwn || shown?.payment === null) return null
    try {
      const request = encodeOwnRequest({ certificate: identity.certificate })
      const to = { address, device: peer, protocol: OWN_PROTOCOL }
      const limits = { maxBytes: MAX_OFFER_BYTES, signal }
      const offer = decodeOffer(await exchange(mesh, to, request, limits))
      await checkOffer(offer, peer, clock.now())
      return offer
    } catch (error) {
      signal.throwIfAborted()
      log('peers.not-own-there', { address, error: String(error) })
      return null
    }
  }

  /** @param address where the lender itself said so; null: somebody else did */
  async function remember(
    peer: Uint8Array,
    address: string | null,
    offer: Offer,
  ): Promise<boolean> {
    const device = toHex(peer)
    const nowMs = clock.now()
    if ((await tables.peers.get(device)) === undefined && !(await makeRoom(address !== null))) {
      return false
    }
    let isNews = true
    await tables.peers.update(device, (old) => {
      const before = old?.offer ? decodeOffer(old.offer).issuedAtMs : 0
      isNews = before < offer.issuedAtMs
      if (address === null && !isNews) return old
      const named = address === null ? [] : [address]
      const isHearsay = address === null && (old === undefined || old.isHearsay)
      const all = [...new Set([...named, ...(old?.addresses ?? []), ...offer.addresses])]
      // Where it can be dialled comes first: there it is found again once it has gone.
      const met = all.filter((one) => PLACELESS.test(one))
      const places = all.filter((one) => !PLACELESS.test(one))
      return {
        device,
        addresses: [...places.slice(0, MAX_OFFER_ADDRESSES - met.length), ...met],
        offer: encodeOffer(offer),
        seenAtMs: nowMs,
        ...(isHearsay ? { isHearsay } : {}),
      }
    })
    return isNews
  }

  /** Whoever is told of never takes the place of somebody who was met. @returns whether there is room */
  async function makeRoom(isMet: boolean): Promise<boolean> {
    const rows = (await tables.peers.list()).map(([, row]) => row)
    const told = rows.filter(({ isHearsay }) => isHearsay)
    if (rows.length < MAX_PEERS && (isMet || told.length < MAX_TOLD_PEERS)) return true
    const [oldest] = (told.length > 0 ? told : isMet ? rows : []).sort(
      (one, other) => one.seenAtMs - other.seenAtMs,
    )
    if (oldest === undefined) return false
    await tables.peers.update(oldest.device, () => undefined)
    return true
  }

  async function known(lender: Uint8Array, address: string, offer: Offer): Promise<KnownOffer> {
    return { lender, address, offer, rung: await rungOf(lender, offer) }
  }

  async function rungOf(device: Uint8Array, offer: Offer | null): Promise<Rung> {
    const owner = offer && toHex(offer.certificate.owner)
    const key = toHex(device)
    const isOwn = identity !== null && owner === toHex(identity.owner)
    // A certificate has no end: what the person removed is theirs no more, whatever it shows.
    if ((isOwn && !(await pairs.isRemoved(key))) || (await pairs.isOwn(key))) return 'own'
    return friends.has(peerName(device)) ? 'friends' : 'market'
  }

  function isInTime({ offer }: PeerRecord): boolean {
    return offer !== null && decodeOffer(offer).expiresAtMs > clock.now() + LEAST_LIFE_MS
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
        return await known(offer.certificate.device, address, offer)
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
    learn: async (offer) => remember(offer.certificate.device, null, offer),
    rung: async (device) => {
      const offer = (await tables.peers.get(device))?.offer
      return rungOf(fromHex(device), offer ? decodeOffer(offer) : null)
    },
    offers: async (init = {}) => {
      const rows = (await tables.peers.list()).map(([, record]) => record)
      // Strangers that were only told of are worth their offer, and not a question once it is over.
      const records = rows.filter((row) => !row.isHearsay || isInTime(row))
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
