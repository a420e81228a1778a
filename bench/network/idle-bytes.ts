import { randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { tcp } from '@libp2p/tcp'

export interface IdleBytes {
  devices: number
  seconds: number
  /** Sent by one device within an hour, as extrapolated from those seconds; as much comes in. */
  bytesPerHour: number
}

const TCP = '/ip4/127.0.0.1/tcp/0'
const GREET_MS = 20_000

/**
 * Devices that ask nothing: they keep the table, pass on offers, and stay connected. Counts what their
 * sockets send. Their first minute, in which they meet, is left out.
 */
export async function idleBytes(
  devices: number,
  { seconds, settleSeconds }: { seconds: number; settleSeconds: number },
): Promise<IdleBytes> {
  const sockets = new Set<Socket>()
  let gone = 0
  const note = (message: unknown) => {
    const { socket } = message as { socket: Socket }
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      gone += socket.bytesWritten
    })
  }
  const sent = () => [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, gone)
  subscribe('net.client.socket', note)
  subscribe('net.server.socket', note)
  const meshes: Mesh[] = []
  try {
    for (let i = 0; i < devices; i++) {
      const mesh = await createMesh(
        {
          ...{ identity: { deviceSecretKey: randomBytes(32) }, listen: [TCP] },
          discovery: { dht: true, gossip: true },
          limits: { newPerSecond: 1_000, pending: 1_000, pendingPerHost: 1_000 },
        },
        { transports: [tcp()], log: () => {} },
      )
      meshes.push(mesh)
      const [first] = meshes[0]?.addresses() ?? []
      const signal = AbortSignal.timeout(GREET_MS)
      if (i > 0) await mesh.discovery?.greet(first ?? '', { signal })
    }
    await setTimeout(1_000 * settleSeconds)
    const before = sent()
    await setTimeout(1_000 * seconds)
    const bytesPerHour = Math.round(((sent() - before) * 3_600) / seconds / devices)
    return { devices, seconds, bytesPerHour }
  } finally {
    unsubscribe('net.client.socket', note)
    unsubscribe('net.server.socket', note)
    await Promise.all(meshes.map((mesh) => mesh[Symbol.asyncDispose]()))
  }
}
