import type { MultiaddrConnection } from '@libp2p/interface'

/**
 * Whether a connection is one of WebRTC that never came about. libp2p 3.3 takes the end of the talk about
 * addresses for the beginning of a connection: who was asked would then have a direct one that carries nothing.
 */
export function isDeadWebRtc(connection: MultiaddrConnection): boolean {
  const { peerConnection } = connection as { peerConnection?: { connectionState?: string } }
  return peerConnection !== undefined && peerConnection.connectionState !== 'connected'
}
