import type { GossipSub } from '@libp2p/gossipsub'
import type { Libp2p, PeerId, PeerInfo } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import { LendingError } from '../errors.ts'
import type { Log } from '../platform.ts'
import { createBoundedDatastore } from './bounded-datastore.ts'
import { type OfferGossip, offerGossipService, openOfferGossip } from './offer-gossip.ts'
import {
  type ModelTable,
  modelTableService,
  openModelTable,
  type Provider,
  withPeer,
} from './provide-models.ts'

/** How a device finds others. Each can be left out. */
export interface DiscoveryInit {
  /** Keeps and asks the table of who lends which model. */
  dht?: boolean | undefined
  /** Hears and passes on offers. */
  gossip?: boolean | undefined
  /** Which offers are heard; `main` is everybody's. @default 'main' */
  network?: string | undefined
}

/** What a mesh knows of the devices around. */
export interface Discovery {
  /** null: this device takes no part. */
  readonly table: ModelTable | null
  readonly gossip: OfferGossip | null
  /** Devices that it is connected to. */
  connected(): number
  /** Whether others may ask it who lends what. */
  isServer(): boolean
  /** Connects, and says which key is proven there. @throws LendingError `lost` */
  greet(address: string, init: { signal: AbortSignal }): Promise<Uint8Array>
  /** Called for each device that this one dialled and that proved its key, with where it says it is. */
  onMet(met: (device: Uint8Array, at: { address: string; says: string[] }) => void): void
  /** Called for each device that says in the local network that it is there. */
  onHeard(heard: (provider: Provider) => void): void
}

export type LanDiscovery = NonNullable<Libp2pOptions['peerDiscovery']>[number]

/** Addresses that are kept of what a device says of itself: a home has two or three. */
const MAX_SAID_ADDRESSES = 8
export const DEFAULT_NETWORK = 'main'

/** What a node needs for it besides what it has anyway. */
export function discoveryParts(
  init: DiscoveryInit,
  { self, lan = [], log }: { self: string; lan?: readonly LanDiscovery[] | undefined; log: Log },
) {
  // The node comes to be after its parts: until then nobody is known and nothing public.
  const late: { node: Libp2p | null } = { node: null }
  const network = init.network ?? DEFAULT_NETWORK
  const isUsable = (address: Multiaddr) => !isPrivate(address) || !isPublic(late.node)
  const services = {
    ...(init.dht || init.gossip ? { ping: ping() } : {}),
    ...(init.dht
      ? {
          dht: modelTableService((peer) => ({
            ...peer,
            multiaddrs: peer.multiaddrs.filter(isUsable),
          })),
        }
      : {}),
    ...(init.gossip ? { gossip: offerGossipService(network) } : {}),
  } as NonNullable<Libp2pOptions['services']>
  const near = new Set<(peer: PeerInfo) => void>()
  const peerDiscovery = lan.map(
    (discovery): LanDiscovery =>
      (components) => {
        const opened = discovery(components)
        opened.addEventListener('peer', ({ detail }) => {
          for (const heard of near) heard(detail)
        })
        return opened
      },
  )
  return {
    datastore: createBoundedDatastore(self),
    peerDiscovery,
    services,
    open: (node: Libp2p): Discovery => {
      late.node = node
      return openDiscovery(node, { network, isUsable, near, log })
    },
  }
}

interface Surroundings {
  network: string
  isUsable: (address: Multiaddr) => boolean
  /** Called for whoever says in the local network that it is there. */
  near: Set<(peer: PeerInfo) => void>
  log: Log
}

/**
 * Whether this is the internet: as long as whoever this device is connected to has a private address, its network is one of its own,
 * in which private addresses mean something. On the internet they mean another machine in each home, and nobody shall be
 * made to dial into his own.
 */
function isPublic(node: Libp2p | null): boolean {
  return node?.getConnections().some(({ remoteAddr }) => !isPrivate(remoteAddr)) ?? false
}

function openDiscovery(node: Libp2p, { network, isUsable, near, log }: Surroundings): Discovery {
  const { dht, gossip } = node.services as { dht?: KadDHT; gossip?: GossipSub }
  if (dht) keepMode(node, dht, log)
  return {
    table: dht ? openModelTable(dht, { self: node.peerId, isUsable }) : null,
    gossip: gossip ? openOfferGossip(gossip, network) : null,
    greet: async (address, { signal }) => {
      try {
        const { remotePeer } = await node.dial(multiaddr(address), { signal })
        const device = keyOf(remotePeer)
        if (device !== null) return device
        throw new LendingError('protocol', { what: 'the other device has no Ed25519 key' })
      } catch (cause) {
        if (cause instanceof LendingError) throw cause
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new LendingError('lost', { what: `nobody answers at ${address}`, why, cause })
      }
    },
    connected: () => new Set(node.getPeers().map(String)).size,
    isServer: () => dht?.getMode() === 'server',
    onMet: (met) => {
      node.addEventListener('peer:identify', ({ detail }) => {
        const { connection, listenAddrs, peerId } = detail
        const device = keyOf(peerId)
        // Who dials in comes from a port that nobody else can dial.
        if (device === null || connection.direction !== 'outbound') return
        const says = listenAddrs.filter(isUsable).slice(0, MAX_SAID_ADDRESSES)
        met(device, {
          address: withPeer(connection.remoteAddr, peerId),
          says: says.map((address) => withPeer(address, peerId)),
        })
      })
    },
    onHeard: (heard) => {
      near.add(({ id, multiaddrs }) => {
        const device = keyOf(id)
        // A packet may say anything: nobody here makes this device dial out into the world.
        const addresses = multiaddrs.filter(isPrivate).slice(0, MAX_SAID_ADDRESSES)
        if (device === null || id.equals(node.peerId) || addresses.length === 0) return
        heard({ device, addresses: addresses.map((address) => withPeer(address, id)) })
      })
    },
  }
}

/** A device that others can dial keeps a part of the table; who cannot be dialled only asks. */
function keepMode(node: Libp2p, dht: KadDHT, log: Log): void {
  let last: Promise<void> = Promise.resolve()
  const look = () => {
    const open = isPublic(node)
    const canBeDialled = node
      .getMultiaddrs()
      .some((address) => !isRelayed(address) && (!open || !isPrivate(address)))
    last = last
      .then(() => dht.setMode(canBeDialled ? 'server' : 'client'))
      .catch((error) => log('discovery.mode', { error: String(error) }))
  }
  for (const event of ['self:peer:update', 'connection:open', 'connection:close'] as const) {
    node.addEventListener(event, look)
  }
  look()
}

function isRelayed(address: Multiaddr): boolean {
  return address.toString().includes('/p2p-circuit')
}

function keyOf(peer: PeerId): Uint8Array | null {
  return peer.type === 'Ed25519' ? peer.publicKey.raw : null
}
