import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { withinTime } from '../abort.ts'
import { LendingError, UsageError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { peerName } from '../identity/peer-name.ts'
import type { Log } from '../platform.ts'
import { believeOwnAddresses } from './believe-own-addresses.ts'
import { createConnectionLimits } from './connection-limits.ts'
import type { Discovery, DiscoveryInit, LanDiscovery } from './discovery.ts'
import { eagerYamux } from './eager-streams.ts'
import { MESH_LIMITS, type MeshLimits } from './mesh-limits.ts'
import { passesRelay } from './passes-relay.ts'
import type { Reachability } from './reachability.ts'
import { createStreamLimits } from './stream-limits.ts'

export interface MeshInit {
  /** Its device key is the name under which others meet this device. */
  identity: Pick<Identity, 'deviceSecretKey'>
  /** Multiaddrs to listen on; none: this device only dials. */
  listen: readonly string[]
  /** Streams of one protocol on one connection. */
  maxStreams?: number | undefined
  /** What others may take; see `MESH_LIMITS`. */
  limits?: Partial<MeshLimits> | undefined
  /** How it finds others. @default it does not */
  discovery?: DiscoveryInit | undefined
}

export interface MeshComponents {
  /** TCP, WebSockets, …: what the platform can do. */
  transports: NonNullable<Libp2pOptions['transports']>
  /** Finds devices in the local network. */
  lan?: readonly LanDiscovery[] | undefined
  /** How it is reached where it cannot be dialled, and reaches such. @default by addresses of its own alone */
  reachability?: Reachability | undefined
  log: Log
}

/** @param peer raw Ed25519 key of the other device, proven by the connection's handshake */
export type StreamHandler = (stream: Stream, peer: Uint8Array) => Promise<void>

/** This device's place in the network: dials, listens, and proves who is on the other end. */
export interface Mesh extends AsyncDisposable {
  /** Absent: it knows those alone that it is told of. */
  readonly discovery?: Discovery | undefined
  /** Where this device can be reached, with its peer id. */
  addresses(): string[]
  handle(protocol: string, handler: StreamHandler): Promise<void>
  /** Calls for each device that is connected from now on, once it said which protocols it knows. */
  onConnected(handler: (peer: Uint8Array, protocols: readonly string[]) => void): void
  /**
   * Opens a stream, over a connection that is there already if there is one.
   * @param address `/p2p/12D3Koo…` alone means a device that is connected, such as a page, which nobody dials
   * @param init.isExact whether it must be this very address: a device may run several processes
   * @throws LendingError `lost` when nobody answers, UsageError when the address is none
   */
  open(
    address: string,
    protocol: string,
    init?: { signal?: AbortSignal | undefined; isExact?: boolean | undefined },
  ): Promise<OpenedStream>
}

export interface OpenedStream {
  stream: Stream
  /** Raw Ed25519 key of the other device, proven by the connection's handshake. */
  peer: Uint8Array
  /** Whether a relay carries it. */
  isRelayed?: boolean | undefined
}

const DIAL_MS = 10_000
/** How long the other side may keep a stream half open that this device is done with. */
const LINGER_MS = 5_000

/** Starts libp2p with Noise, Yamux and identify. Nothing is dialled that the user did not name. */
export async function createMesh(init: MeshInit, components: MeshComponents): Promise<Mesh> {
  const { identity, listen } = init
  const limits = { ...MESH_LIMITS, ...init.limits }
  const maxStreams = init.maxStreams ?? limits.streams
  const streams = createStreamLimits(limits)
  const privateKey = await generateKeyPairFromSeed('Ed25519', identity.deviceSecretKey)
  const { lan, log, reachability } = components
  const finding =
    init.discovery &&
    (await import('./discovery.ts')).discoveryParts(init.discovery, {
      self: peerName(privateKey.publicKey.raw),
      lan,
      log,
    })
  const node: Libp2p = await createLibp2p({
    // Whoever connects hears these: nothing of the machine, its browser or the versions on it.
    nodeInfo: { name: 'freehold', version: '1', userAgent: 'freehold/1' },
    privateKey,
    addresses: { listen: [...listen, ...(reachability?.listen ?? [])] },
    transports: [...components.transports, ...(reachability?.transports ?? [])],
    connectionEncrypters: [noise()],
    streamMuxers: [eagerYamux({ maxInboundStreams: limits.streamsPerConnection })],
    services: {
      identify: identify(),
      own: believeOwnAddresses,
      ...finding?.services,
      ...reachability?.services,
    },
    ...(finding ? { datastore: finding.datastore, peerDiscovery: finding.peerDiscovery } : {}),
    // In browsers libp2p refuses private addresses and plain WebSockets; here the user names each.
    connectionGater: {
      denyDialMultiaddr: () => false,
      ...reachability?.gater,
      ...createConnectionLimits(limits, () => node.getConnections()),
    },
    connectionManager: {
      maxConnections: limits.connections,
      maxIncomingPendingConnections: limits.pending,
      inboundConnectionThreshold: limits.newPerSecond,
      inboundUpgradeTimeout: limits.handshakeMs,
    },
    connectionMonitor: { enabled: false },
  })
  return {
    discovery: finding?.open(node),
    addresses: () => node.getMultiaddrs().map(String),
    handle: async (protocol, handler) => {
      const serve = async (stream: Stream, connection: Connection) => {
        let leave = () => {}
        try {
          leave = streams.enter(String(connection.remotePeer))
          await handler(stream, rawKey(connection.remotePeer))
          await letGo(stream)
        } catch (error) {
          components.log('mesh.handler', { protocol, error: String(error) })
          stream.abort(error instanceof Error ? error : new Error(String(error)))
        } finally {
          leave()
        }
      }
      await node.handle(protocol, serve, {
        maxInboundStreams: maxStreams,
        runOnLimitedConnection: passesRelay(protocol),
      })
    },
    onConnected: (handler) => {
      node.addEventListener('peer:identify', ({ detail: { peerId, protocols } }) => {
        if (peerId.type === 'Ed25519') handler(peerId.publicKey.raw, protocols)
      })
    },
    open: async (address, protocol, { signal, isExact = false } = {}) => {
      const target = parseAddress(address)
      const either = withinTime(signal, DIAL_MS)
      const openOn = (connection: Connection) =>
        connection.newStream(protocol, {
          signal: either,
          maxOutboundStreams: maxStreams,
          runOnLimitedConnection: passesRelay(protocol),
        })
      try {
        const connection =
          connectionTo(node, target) ??
          (isExact
            ? await node.dial(target, { signal: either, force: true } as object)
            : reachability
              ? await reachability.connect(node, target, protocol, { signal: either })
              : await node.dial(target, { signal: either }))
        const stream = await openOn(connection)
        const isRelayed = connection.limits !== undefined
        return { stream, peer: rawKey(connection.remotePeer), isRelayed }
      } catch (cause) {
        signal?.throwIfAborted()
        throw new LendingError('lost', {
          what: `the device at ${address} cannot be reached`,
          why: cause instanceof Error ? cause.message : String(cause),
          cause,
        })
      }
    },
    [Symbol.asyncDispose]: async () => {
      await node.stop()
    },
  }
}

/** Closes our side; a peer that keeps its own open is cut off, so that no stream is left behind. */
async function letGo(stream: Stream): Promise<void> {
  await stream.close({ signal: AbortSignal.timeout(LINGER_MS) })
  if (stream.status !== 'open' && stream.status !== 'closing') return
  const cut = () => stream.abort(new Error('the other side did not close'))
  const timer = setTimeout(cut, LINGER_MS)
  stream.addEventListener('close', () => clearTimeout(timer), { once: true })
}

/**
 * A connection over which just this address was dialled; of a device without an address, any to it.
 * @throws Error when there is none to a device without an address
 */
function connectionTo(node: Libp2p, target: Multiaddr): Connection | undefined {
  const open = node
    .getConnections()
    .filter(({ status, limits }) => status === 'open' && limits === undefined)
  const [first, ...rest] = target.getComponents()
  if (first?.name !== 'p2p' || rest.length > 0) {
    return open.find(({ remoteAddr }) => remoteAddr.equals(target))
  }
  const found = open.find(({ remotePeer }) => remotePeer.toString() === first.value)
  if (found === undefined) throw new Error('it is not connected now, and nobody can dial it')
  return found
}

function parseAddress(address: string) {
  try {
    return multiaddr(address)
  } catch (cause) {
    throw new UsageError({
      what: `${address} is no address`,
      next: 'An address looks like /ip4/127.0.0.1/tcp/4215/p2p/12D3Koo…',
      cause,
    })
  }
}

function rawKey(peer: PeerId): Uint8Array {
  if (peer.type !== 'Ed25519') {
    throw new LendingError('protocol', { what: 'the other device has no Ed25519 key' })
  }
  return peer.publicKey.raw
}
