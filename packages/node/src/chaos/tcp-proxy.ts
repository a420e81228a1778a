import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire before a lender that can be cut: nothing passes then, and nobody is told. */
export interface TcpProxy extends AsyncDisposable {
  port: number
  cut(): void
  mend(): void
}

/** @param target port on loopback */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isCut = false
  const keep = (socket: Socket, other: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (!isCut) other.write(data)
    })
    socket.on('close', () => {
      sockets.delete(socket)
      if (!isCut) other.destroy()
    })
  }
  const server = createServer((near) => {
    // A wire that is cut brings no refusal either: whoever dials waits.
    if (isCut) {
      keep(near, near)
      return
    }
    const far = connect(target, '127.0.0.1')
    keep(near, far)
    keep(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const end = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true
    },
    // What was lost meanwhile is lost: the old connections are worth nothing.
    mend: () => {
      end()
      isCut = false
    },
    [Symbol.asyncDispose]: async () => {
      end()
      server.close()
      await once(server, 'close')
    },
  }
}
