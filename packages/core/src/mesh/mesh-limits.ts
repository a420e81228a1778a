/** What others may take of this device’s place in the network. */
export interface MeshLimits {
  /** Connections in all, and of one device. */
  connections: number
  connectionsPerDevice: number
  /** From one network address, which may be many homes’; whoever is on this machine is not counted. */
  connectionsPerHost: number
  /** Handshakes that are not done, in all and from one network address, and how long one may take. */
  pending: number
  pendingPerHost: number
  handshakeMs: number
  /** New connections within a second from one network address. */
  newPerSecond: number
  /** Streams that others opened: of one protocol on one connection, of one device, in all. */
  streams: number
  streamsPerDevice: number
  streamsInAll: number
  /** Streams of one connection, those included whose protocol is not agreed on yet. */
  streamsPerConnection: number
}

export const MESH_LIMITS: MeshLimits = {
  connections: 100,
  connectionsPerDevice: 4,
  connectionsPerHost: 50,
  pending: 20,
  pendingPerHost: 5,
  handshakeMs: 5_000,
  newPerSecond: 5,
  streams: 16,
  streamsPerDevice: 64,
  streamsInAll: 512,
  streamsPerConnection: 128,
}

/** Bytes that wait unread on one stream, at most: Yamux lets no more leave before some are read. */
export const STREAM_WINDOW_BYTES = 256 * 1_024
