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
import { isDirectFirst, passesRelay } from './passes-relay.ts'
import { CARRY_LIMITS, type CarryLimits, MAX_HOP_STREAMS } from './relay-limits.ts'
import { createRelayTurns } from './relay-turns.ts'

/** How a device is reached that cannot be dialled. All of it is off where nothing is said. */
export interface ReachInit {
  /** Relays (`/ip4/…/p2p/12D3Koo…`) at which others reach this device; `/p2p-circuit`: any that it meets. */
  relays?: readonly string[] | undefined
  /** Whether it relays for others once it is known to be reachable; `always`: without waiting for that. */
  relay?: boolean | 'always' | undefined
  /** What it gives away as a relay; see `CARRY_LIMITS`. */
  limits?: Partial<CarryLimits> | undefined
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

/** How long two devices try to connect directly. */
const DIRECT_MS = 10_000
/**
 * How long an answer waits for that before it takes the relay's connection: well below `connectMs` of
 * the deadlines, within which a lender must be reached. The next answer goes over what came of it.
 */
export const ANSWER_WAITS_MS = 800
/** A pair that cannot connect directly is not asked to try again for each answer. */
const TRY_AGAIN_MS = 5 * 60_000
const MAX_TRIED = 1_000

export function createReachability(init: ReachInit, components: ReachComponents): Reachability {
  const { relays = [], relay = false } = init
  const { log } = components
  const mayHave = createRelayTurns(Date.now)
  const tried = new Map<string, number>()
  const trying = new Map<string, Promise<Connection | null>>()
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
    ...(relay !== false ? { relay: relayService({ ...CARRY_LIMITS, ...init.limits }) } : {}),
    ...components.services,
  }

  async function connect(
    node: Libp2p,
    target: Multiaddr,
    protocol: string,
    { signal }: { signal: AbortSignal },
  ): Promise<Connection> {
    const connection = await node.dial(target, { signal })
    if (connection.limits === undefined) {
      if (isRelayed(target)) logDirect(connection)
      return connection
    }
    if (!isDirectFirst(protocol)) return connection
    const enough = passesRelay(protocol) ? withinTime(signal, ANSWER_WAITS_MS) : signal
    const direct = await orAborted(directly(node, target, connection), enough).catch(() => null)
    signal.throwIfAborted()
    if (direct !== null) {
      logDirect(direct)
      return direct
    }
    // What was tried may have cost the relay's connection.
    return connection.status === 'open' ? connection : node.dial(target, { signal })
  }

  function logDirect({ remotePeer, remoteAddr }: Connection): void {
    log('mesh.direct', { peer: String(remotePeer), address: String(remoteAddr) })
  }

  /** A direct connection, or null where there is none to be had. Who asks meanwhile asks for the same. */
  async function directly(
    node: Libp2p,
    target: Multiaddr,
    relayed: Connection,
  ): Promise<Connection | null> {
    const { remotePeer } = relayed
    const there = node
      .getConnections(remotePeer)
      .find((one) => one.limits === undefined && one.status === 'open')
    if (there !== undefined) return there
    const peer = remotePeer.toString()
    const running = trying.get(peer)
    if (running !== undefined) return running
    if ((tried.get(peer) ?? 0) > Date.now()) return null
    const attempt = punch(node, target, relayed)
      .then((direct) => {
        log('mesh.punched', { peer, address: String(direct.remoteAddr) })
        return direct
      })
      .catch((error: unknown) => {
        log('mesh.punched', { peer, error: String(error) })
        if (tried.size >= MAX_TRIED) tried.clear()
        tried.set(peer, Date.now() + TRY_AGAIN_MS)
        return null
      })
      .finally(() => trying.delete(peer))
    trying.set(peer, attempt)
    return attempt
  }

  /** Asks for a hole through both routers, with the relay to agree on it. */
  async function punch(
    node: Libp2p,
    target: Multiaddr,
    { remotePeer, remoteAddr }: Connection,
  ): Promise<Connection> {
    const peer = remotePeer.toString()
    const circuit = isRelayed(target) ? target : remoteAddr
    const punched = circuit.toString().includes('/webrtc/')
      ? circuit
      : circuit.decapsulate(`/p2p/${peer}`).encapsulate(`/webrtc/p2p/${peer}`)
    const late = AbortSignal.timeout(DIRECT_MS)
    const { promise: met, resolve } = Promise.withResolvers<Connection>()
    const onOpen = ({ detail }: CustomEvent<Connection>) => {
      if (detail.limits === undefined && detail.remotePeer.equals(remotePeer)) resolve(detail)
    }
    node.addEventListener('connection:open', onOpen)
    try {
      // The other side tries as well, and one of the two comes through first.
      const own = node.dial(punched, { force: true, signal: late } as object)
      return await orAborted(Promise.any([own, met]), late)
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

function relayService(limits: CarryLimits): Libp2pService {
  const serverOf = circuitRelayServer({
    maxInboundHopStreams: MAX_HOP_STREAMS,
    reservations: {
      maxReservations: limits.reservations,
      reservationTtl: limits.reservationMs,
      defaultDurationLimit: limits.relayedMs,
      defaultDataLimit: limits.relayedBytes,
    },
  })
  return (components: Libp2pComponents) => {
    const server = serverOf(components)
    // libp2p keeps the place of who is gone; a few that come and go would keep all others out.
    components.events.addEventListener('peer:disconnect', ({ detail }) => {
      // Its timer would take the place away that the same device may have anew by then.
      server.reservations.get(detail)?.signal.clear()
      server.reservations.delete(detail)
    })
    return server
  }
}

const isRelayed = (address: Multiaddr): boolean => address.toString().includes('/p2p-circuit')

/** Whether others found one of its own addresses to work from outside. */
function isReachable({ addressManager }: Libp2pComponents): boolean {
  return addressManager
    .getAddressesWithMetadata()
    .some(({ multiaddr, verified }) => verified && !isPrivate(multiaddr) && !isRelayed(multiaddr))
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
