import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** A line that all who are behind it share. */
export interface SharedLink extends AsyncDisposable {
  /** Opens a port that leads to another one. @returns its number */
  to(port: number, init?: { bytesPerSecond?: number }): Promise<number>
}

/** Forwards TCP on loopback; what comes back from all ports together passes at one rate. */
export function createSharedLink(bytesPerSecond: number): SharedLink {
  const servers: ReturnType<typeof createServer>[] = []
  const sockets = new Set<Socket>()
  const shared = createBucket(bytesPerSecond)
  return {
    to: async (port, init = {}) => {
      const own = init.bytesPerSecond === undefined ? null : createBucket(init.bytesPerSecond)
      const server = createServer((near) => {
        const far = connect(port, '127.0.0.1')
        for (const socket of [near, far]) {
          sockets.add(socket)
          socket.setNoDelay(true)
          socket.on('error', () => {})
          socket.on('close', () => {
            sockets.delete(socket)
            near.destroy()
            far.destroy()
          })
        }
        near.pipe(far)
        carry(far, near, [shared, ...(own ? [own] : [])]).catch(() => near.destroy())
      })
      servers.push(server)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      for (const server of servers) {
        server.close()
        await once(server, 'close')
      }
    },
  }
}

type Bucket = (bytes: number) => Promise<void>

function createBucket(bytesPerSecond: number): Bucket {
  let freeAtMs = 0
  return async (bytes) => {
    const now = performance.now()
    freeAtMs = Math.max(freeAtMs, now) + (1_000 * bytes) / bytesPerSecond
    if (freeAtMs - now > 2) await setTimeout(freeAtMs - now)
  }
}

async function carry(from: Socket, to: Socket, buckets: readonly Bucket[]): Promise<void> {
  for await (const part of from) {
    const bytes = part as Buffer
    await Promise.all(buckets.map((bucket) => bucket(bytes.length)))
    if (!to.write(bytes)) await once(to, 'drain')
  }
  to.end()
}
