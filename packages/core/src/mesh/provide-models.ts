import type { PeerId } from '@libp2p/interface'
import { type KadDHT, kadDHT, type PeerInfoMapper } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'
import { concat } from '../bytes.ts'

/** A device that says it lends a model, and where it says it can be reached. */
export interface Provider {
  /** Device key; proven by nobody yet. */
  device: Uint8Array
  addresses: string[]
}

/** Who lends a model, by its digest, in a table that all devices keep together. */
export interface ModelTable {
  /** Says that this device lends a model, until `withdraw`. @returns how many devices remember it */
  provide(digest: Uint8Array, init: { signal: AbortSignal }): Promise<number>
  /** Says it no more. Who remembers it forgets it within `PROVIDER_LIFE_MS`. */
  withdraw(digest: Uint8Array): Promise<void>
  /** @param onMessage called for each message that the look-up sends */
  find(
    digest: Uint8Array,
    init: { signal: AbortSignal; onMessage?: (() => void) | undefined },
  ): AsyncIterable<Provider>
}

/** Devices of another protocol are never asked: this table is ours alone. */
export const KAD_PROTOCOL = '/freehold/kad/1'

/**
 * How long a lender is remembered that says nothing more. A device that was switched off is asked for
 * in vain for an hour at most; libp2p's two days fit files, which do not go to sleep.
 */
export const PROVIDER_LIFE_MS = 60 * 60_000
/** Said again when 40 min are left, looked at every 10: one round may fail without a gap. */
const AGAIN_MS = 40 * 60_000
const LOOK_MS = 10 * 60_000
/**
 * Asked at once on one path, as the Kademlia paper has it, and as many paths that share no device, so
 * nine in all: who sits on one path cannot hide what the others find.
 */
const ALPHA = 3
/** A look-up that waits for the first contacts shall not wait longer than these need. */
const FIRST_LOOK_MS = 200

const DHT_STREAMS = 32

export function modelTableService(peerInfoMapper: PeerInfoMapper) {
  return kadDHT({
    protocol: KAD_PROTOCOL,
    // Who can be dialled becomes a server, see `Discovery`.
    clientMode: true,
    alpha: ALPHA,
    disjointPaths: ALPHA,
    initialQuerySelfInterval: FIRST_LOOK_MS,
    peerInfoMapper,
    maxInboundStreams: DHT_STREAMS,
    // The table holds who lends what and nothing else: no value of anybody is kept.
    validators: {
      pk: () => {
        throw new Error('no values are kept here')
      },
    },
    reprovide: { validity: PROVIDER_LIFE_MS, threshold: AGAIN_MS, interval: LOOK_MS },
  })
}

/** @param isUsable whether an address that somebody named may be dialled */
export function openModelTable(
  dht: KadDHT,
  { self, isUsable }: { self: PeerId; isUsable: (address: Multiaddr) => boolean },
): ModelTable {
  return {
    provide: async (digest, { signal }) => {
      let stored = 0
      for await (const event of dht.provide(keyOf(digest), { signal })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') stored++
      }
      return stored
    },
    withdraw: (digest) => dht.cancelReprovide(keyOf(digest)),
    find: async function* (digest, { signal, onMessage }) {
      for await (const event of dht.findProviders(keyOf(digest), { signal })) {
        if (event.name === 'SEND_QUERY') onMessage?.()
        if (event.name !== 'PROVIDER') continue
        for (const { id, multiaddrs } of event.providers) {
          if (id.type !== 'Ed25519' || id.equals(self)) continue
          const addresses = multiaddrs.filter(isUsable).map((address) => withPeer(address, id))
          if (addresses.length > 0) yield { device: id.publicKey.raw, addresses }
        }
      }
    },
  }
}

/** An address under which nobody but this device is accepted. */
export function withPeer(address: Multiaddr, id: PeerId): string {
  const text = address.toString()
  return /\/p2p\/[^/]+$/.test(text) ? text : `${text}/p2p/${id.toString()}`
}

type ContentId = Parameters<KadDHT['provide']>[0]

/**
 * The content id of a model. The table reads nothing of it but its multihash: function 0x12
 * (SHA-256), 32 bytes, and the digest, which is the model's id.
 */
function keyOf(digest: Uint8Array): ContentId {
  const bytes = concat(Uint8Array.of(0x12, 0x20), digest)
  return { multihash: { code: 0x12, size: 32, digest, bytes } } as unknown as ContentId
}
