import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { isDeadWebRtc } from './dead-web-rtc.ts'
import type { MeshLimits } from './mesh-limits.ts'

/** A connection that is there, as far as it counts. */
export interface CountedConnection {
  remotePeer: { toString(): string }
  remoteAddr: { toString(): string }
}

type Limits = Pick<MeshLimits, 'connectionsPerDevice' | 'connectionsPerHost' | 'pendingPerHost'>

/**
 * Keeps one device, and one network address, from taking all connections or all handshakes; what never
 * came about is no connection.
 * @param connections those that are there now
 */
export function createConnectionLimits(
  limits: Limits,
  connections: () => readonly CountedConnection[],
): ConnectionGater {
  /** Addresses with their ports of handshakes that are not done, by host. */
  const pending = new Map<string, Set<string>>()

  const done = (maConn: MultiaddrConnection) => {
    const address = maConn.remoteAddr.toString()
    const host = hostOf(address)
    const own = pending.get(host)
    own?.delete(address)
    if (own?.size === 0) pending.delete(host)
  }

  return {
    denyInboundConnection: (maConn) => {
      const address = maConn.remoteAddr.toString()
      const host = hostOf(address)
      const there = connections().filter(({ remoteAddr }) => hostOf(String(remoteAddr)) === host)
      if (!isLoopback(host) && there.length >= limits.connectionsPerHost) return true
      const own = pending.get(host) ?? new Set()
      if (own.size >= limits.pendingPerHost) return true
      pending.set(host, own.add(address))
      maConn.addEventListener('close', () => done(maConn), { once: true })
      return false
    },
    denyInboundEncryptedConnection: (peer: PeerId) => {
      const own = connections().filter(({ remotePeer }) => String(remotePeer) === String(peer))
      return own.length >= limits.connectionsPerDevice
    },
    denyInboundUpgradedConnection: (_peer, maConn) => {
      done(maConn)
      return isDeadWebRtc(maConn)
    },
  }
}

/** Who pays for an address: of IPv6 a home has 2^64, and they count as one. */
export function hostOf(address: string): string {
  const [, kind, host = ''] = address.split('/')
  if (kind !== 'ip6') return host
  const [front = '', back] = host.split('::')
  const [before, after] = [front, back ?? ''].map((part) => part.split(':').filter(Boolean))
  const zeros = back === undefined ? 0 : 8 - (before?.length ?? 0) - (after?.length ?? 0)
  const whole = [
    ...(before ?? []),
    ...Array<string>(Math.max(0, zeros)).fill('0'),
    ...(after ?? []),
  ]
  const net = whole.slice(0, 4).map((part) => part.replace(/^0+(?=.)/, ''))
  // Of what is on this machine, and of IPv4 in the clothes of IPv6, the last part says which it is.
  return net.every((part) => part === '0') ? host : `${net.join(':')}::/64`
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}
