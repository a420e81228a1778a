import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { replyTo } from './stun.ts'

/** Tells who asks under which address it is seen (STUN, RFC 8489), as a relay does for its guests. */
export async function startStunResponder(port: number): Promise<AsyncDisposable> {
  const socket = createSocket('udp4')
  socket.on('message', (request, { address, port: from }) => {
    const reply = replyTo(request, address, from)
    if (reply !== null) socket.send(reply, from, address)
  })
  socket.bind(port)
  await once(socket, 'listening')
  socket.on('error', () => {})
  return {
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}
