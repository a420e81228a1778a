import { autoNAT } from '@libp2p/autonat'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import type { Connection, ConnectionGater, Libp2p } from '@libp2p/interface'
import { isPrivate } from '@libp2p/utils'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import { orAborted, withinTime } from '../abort.ts'
import type { Log } from '../platform.ts'
import { keepReservations, type Libp2pComponents, type Libp2pService } from './keep-reservations.ts'
import { isDirectFirst } from './passes-relay.ts'
import {
  MAX_HOP_STREAMS,
  MAX_RESERVATIONS,
  RELAYED_BYTES,
  RELAYED_MS,
  RESERVATION_MS,
} from './relay-limits.ts'
import { createRelayTurns } from './relay-turns.ts'

/** How a device is reached that cannot be dialled. All of it is off where nothing is said. */
export interface ReachInit {
  /** Relays (`/ip4/…/p2p/12D3Koo…`) at which others reach this device; `/p2p-circuit`: any that it meets. */
  relays?: readonly string[] | undefined
  /** Whether it relays for others once it is known to be reachable; `always`: without waiting for that. */
  relay?: boolean | 'always' | undefined
}

export interface ReachComponents {
  /** What the platform adds, such as WebRTC and UPnP. */
  transports?: Libp2pOptions['transports']
  services?: Readonly<Record<string, Libp2pService>> | undefined
  log: Log
}

/** What a mesh takes to be reached, and to reach others, through relays. */
export interface Reachability {
  listen: readonly string[]
  transports: NonNullable<Libp2pOptions['transports']>
  services: Readonly<Record<string, Libp2pService>>
  gater: ConnectionGater
  /** Connects directly if that can be, and else through a relay if `protocol` may pass one. */
  connect(
    node: Libp2p,
    target: Multiaddr,
    protocol: string,
    init: { signal: AbortSignal },
  ): Promise<Connection>
}

/** How long an answer waits for a direct connection before it takes the relay's. */
const DIRECT_MS = 4_000
/** A pair that cannot connect directly is not asked to try again for each answer. */
const TRY_AGAIN_MS = 5 * 60_000
const MAX_TRIED = 1_000

export function createReachability(init: ReachInit, components: ReachComponents): Reachability {
  const { relays = [], relay = false } = init
  const { log } = components
  const mayHave = createRelayTurns(Date.now)
  const tried = new Map<string, number>()
  let own: Libp2pComponents | null = null
  const mayRelay = () => relay === 'always' || (relay && own !== null && isReachable(own))
  const services: Record<string, Libp2pService> = {
    reach: (given) => {
      own = given
      return {}
    },
    autoNat: (given) => autoNAT()(dialsAnew(given)),
    dcutr: (given) => dcutr()(leavesOpen(given)),
    ...(relays.length > 0 ? { reservations: keepReservations(relays, log) } : {}),
    ...(relay !== false ? { relay: relayService } : {}),
    ...components.services,
  }

  async function connect(
    node: Libp2p,
    target: Multiaddr,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<Connection> {
    const connection = await node.dial(target, { signal })
    if (connection.limits === undefined || !isDirectFirst(protocol)) return connection
    const direct = await directly(node, target, connection, signal).catch((error: unknown) => {
      signal.throwIfAborted()
      log('mesh.direct', { peer: String(connection.remotePeer), error: String(error) })
      return null
    })
    if (direct !== null) {
      log('mesh.direct', { peer: String(direct.remotePeer), address: String(direct.remoteAddr) })
      return direct
    }
    // What was tried may have cost the relay's connection.
    return connection.status === 'open' ? connection : node.dial(target, { signal })
  }

  /** Asks for a hole through both routers, with the relay to agree on it. */
  async function directly(
    node: Libp2p,
    target: Multiaddr,
    { remotePeer, remoteAddr }: Connection,
    signal: AbortSignal,
  ): Promise<Connection | null> {
    const existing = () =>
      node
        .getConnections(remotePeer)
        .find((one) => one.limits === undefined && one.status === 'open')
    const there = existing()
    if (there !== undefined) return there
    const peer = remotePeer.toString()
    if ((tried.get(peer) ?? 0) > Date.now()) return null
    const circuit = target.toString().includes('/p2p-circuit') ? target : remoteAddr
    const punched = circuit.toString().includes('/webrtc/')
      ? circuit
      : circuit.decapsulate(`/p2p/${peer}`).encapsulate(`/webrtc/p2p/${peer}`)
    const late = withinTime(signal, DIRECT_MS)
    const { promise: met, resolve } = Promise.withResolvers<Connection>()
    const onOpen = ({ detail }: CustomEvent<Connection>) => {
      if (detail.limits === undefined && detail.remotePeer.equals(remotePeer)) resolve(detail)
    }
    node.addEventListener('connection:open', onOpen)
    try {
      // The other side tries as well, and one of the two comes through first.
      const own = node.dial(punched, { force: true, signal: late } as object)
      return await orAborted(Promise.any([own, met]), late)
    } catch (error) {
      if (tried.size >= MAX_TRIED) tried.clear()
      tried.set(peer, Date.now() + TRY_AGAIN_MS)
      throw error
    } finally {
      node.removeEventListener('connection:open', onOpen)
    }
  }

  return {
    listen: relays.length > 0 && components.transports ? ['/webrtc'] : [],
    transports: [circuitRelayTransport(), ...(components.transports ?? [])],
    services,
    gater: {
      denyInboundRelayReservation: () => !mayRelay(),
      denyOutboundRelayedConnection: (source) => !mayRelay() || !mayHave(source.toString()),
    },
    connect,
  }
}

const relayService: Libp2pService = circuitRelayServer({
  maxInboundHopStreams: MAX_HOP_STREAMS,
  reservations: {
    maxReservations: MAX_RESERVATIONS,
    reservationTtl: RESERVATION_MS,
    defaultDurationLimit: RELAYED_MS,
    defaultDataLimit: RELAYED_BYTES,
  },
})

/** Whether others found one of its own addresses to work from outside. */
function isReachable({ addressManager }: Libp2pComponents): boolean {
  return addressManager
    .getAddressesWithMetadata()
    .some(
      ({ multiaddr, verified }) =>
        verified && !isPrivate(multiaddr) && !multiaddr.toString().includes('/p2p-circuit'),
    )
}

/**
 * libp2p's AutoNAT answers with the connection over which it was asked, closes that, and calls the
 * asker unreachable: here it dials anew.
 */
function dialsAnew(components: Libp2pComponents): Libp2pComponents {
  const anew = (manager: Libp2pComponents['connectionManager']) =>
    replacing(manager, 'openConnection', (to, options) =>
      manager.openConnection(to, { ...options, force: true }),
    )
  return replacing(components, 'connectionManager', anew(components.connectionManager))
}

/** libp2p's DCUtR closes the relayed connection once there is a direct one, with the answers on it. */
function leavesOpen(components: Libp2pComponents): Libp2pComponents {
  const { registrar } = components
  const open = (connection: Connection) => replacing(connection, 'close', async () => {})
  const gentle = replacing(
    replacing(registrar, 'register', (protocol, topology) =>
      registrar.register(protocol, {
        ...topology,
        onConnect: (peer, connection) => topology.onConnect?.(peer, open(connection)),
      }),
    ),
    'handle',
    (protocol, handler, init) =>
      registrar.handle(protocol, (stream, connection) => handler(stream, open(connection)), init),
  )
  return replacing(components, 'registrar', gentle)
}

/** The same object but for one property. */
function replacing<T extends object, K extends keyof T>(whole: T, name: K, by: T[K]): T {
  return new Proxy(whole, {
    get: (target, key) => {
      if (key === name) return by
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
