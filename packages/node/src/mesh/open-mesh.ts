import type { Identity } from '@freehold/core/identity/identity'
import type { Mesh } from '@freehold/core/mesh/mesh'
import type { MeshLimits } from '@freehold/core/mesh/mesh-limits'
import type { ReachInit } from '@freehold/core/mesh/reachability'
import type { Log } from '@freehold/core/platform'
import type { Table } from '@freehold/core/storage'
import type { DiscoveryWays } from '../device/open-device.ts'
import type { WebRtcCertificate } from './web-rtc-certificate.ts'

/** How a device on Node is reached. All of it is off where nothing is said. */
export interface NodeReachInit extends ReachInit {
  /** STUN servers (`HOST:PORT`) besides the relays, which answer STUN too. */
  stun?: readonly string[] | undefined
  /** Whether the router is asked for a port (UPnP, NAT-PMP). */
  upnp?: boolean | undefined
}

/** This device's place in the network, with what Node can do. */
export async function openMesh(
  { identity, listen, discovery: ways, reach, limits }: OpenMeshInit,
  { log, certificates }: OpenMeshComponents,
): Promise<Mesh> {
  const [{ createMesh }, { tcp }, { webSockets }, found] = await Promise.all([
    import('@freehold/core/mesh/mesh'),
    import('@libp2p/tcp'),
    import('@libp2p/websockets'),
    ways?.mdns ? import('../device/lan-discovery.ts') : null,
  ])
  const discovery = ways && { dht: ways.dht, gossip: ways.gossip }
  const init = { identity, listen, discovery, limits }
  const lan = found ? [found.lanDiscovery()] : []
  const transports = [tcp(), webSockets()]
  if (reach === undefined) {
    // What it dials and is dialled by needs no STUN: the list is empty, since libp2p's own would ask strangers.
    const rtcConfiguration = { iceServers: [] }
    const direct = listen.some((address) => address.includes('/webrtc-direct'))
      ? [
          await (await import('./web-rtc-certificate.ts')).keptWebRtcDirect(
            { rtcConfiguration },
            certificates,
          ),
        ]
      : []
    return createMesh(init, { transports: [...transports, ...direct], lan, log })
  }
  const [{ createReachability }, { webRTC }, { keptWebRtcDirect }, upnp, pmp, { mapPorts }] =
    await Promise.all([
      import('@freehold/core/mesh/reachability'),
      import('@libp2p/webrtc'),
      import('./web-rtc-certificate.ts'),
      reach.upnp ? import('./ask-router.ts') : null,
      reach.upnp ? import('./nat-pmp.ts') : null,
      import('@freehold/core/mesh/map-ports'),
    ])
  const hosts = stunServers(reach)
  // An empty list is meant: libp2p's own would ask strangers.
  const rtcConfiguration = { iceServers: hosts.map((host) => ({ urls: [`stun:${host}`] })) }
  const reachability = createReachability(reach, {
    transports: [
      webRTC({ rtcConfiguration }),
      await keptWebRtcDirect({ rtcConfiguration }, certificates),
    ],
    services: {
      ...(upnp ? { upnp: upnp.askRouter } : {}),
      ...(pmp ? { pmp: mapPorts(pmp.findPmpRouter, log) } : {}),
    },
    log,
  })
  const mesh = await createMesh(init, { transports, lan, reachability, log })
  const responder = reach.relay ? await answerStun(mesh, log) : null
  return {
    ...mesh,
    [Symbol.asyncDispose]: async () => {
      await responder?.[Symbol.asyncDispose]()
      await mesh[Symbol.asyncDispose]()
    },
  }
}

interface OpenMeshComponents {
  log: Log
  /** Where the certificate of WebRTC-direct is kept; null: each start has another */
  certificates: Table<WebRtcCertificate> | null
}

interface OpenMeshInit {
  identity: Identity
  listen: readonly string[]
  discovery?: DiscoveryWays | undefined
  reach?: NodeReachInit | undefined
  limits?: Partial<MeshLimits> | undefined
}

/** Who tells this device how it is seen. @returns `HOST:PORT` */
export function stunServers({ relays = [], stun = [] }: NodeReachInit): string[] {
  return [...relays.map(stunOf).filter((host) => host !== null), ...stun]
}

/** Relays answer STUN on the UDP port of the number of their TCP port. @returns `HOST:PORT` or null */
function stunOf(relay: string): string | null {
  const [, host, port] = /^\/(?:ip4|dns4?)\/([^/]+)\/tcp\/(\d+)/.exec(relay) ?? []
  return host && port ? `${host}:${port}` : null
}

/** Devices behind routers learn from it how they are seen; without it they use its relaying alone. */
async function answerStun(mesh: Mesh, log: Log): Promise<AsyncDisposable | null> {
  const port = /\/tcp\/(\d+)\//.exec(mesh.addresses()[0] ?? '')?.[1]
  if (port === undefined) return null
  const { startStunResponder } = await import('./stun-responder.ts')
  return startStunResponder(Number(port)).catch((error: unknown) => {
    log('mesh.stun', { port, error: String(error) })
    return null
  })
}
