import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A wire of some length: what goes in comes out later, in order. */
export interface SlowWire extends AsyncDisposable {
  port: number
}

/** @param target port on loopback  @param onewayMs how long a byte is on its way */
export async function startSlowWire(target: number, onewayMs: number): Promise<SlowWire> {
  const sockets = new Set<Socket>()
  const join = (from: Socket, to: Socket) => {
    sockets.add(from)
    const later = (work: () => void) => {
      // Zero is no wire at all; timers of one length fire in order.
      if (onewayMs === 0) work()
      else setTimeout(work, onewayMs)
    }
    from.setNoDelay(true)
    from.on('error', () => {})
    from.on('data', (data) => later(() => to.write(data)))
    from.on('end', () => later(() => to.end()))
    from.on('close', () => {
      sockets.delete(from)
      later(() => to.destroy())
    })
  }
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    join(near, far)
    join(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
