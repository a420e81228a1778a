import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const HEADER_BYTES = 20
const COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020
/** More than any client sends; a reply is 32 bytes, so that nobody can have much sent to another. */
const MAX_REQUEST_BYTES = 256

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

/** @param address IPv4 @returns null for what is no binding request */
export function replyTo(request: Buffer, address: string, port: number): Buffer | null {
  const isRequest =
    request.length >= HEADER_BYTES &&
    request.length <= MAX_REQUEST_BYTES &&
    request.readUInt16BE(0) === BINDING_REQUEST &&
    request.readUInt32BE(4) === COOKIE &&
    request.readUInt16BE(2) === request.length - HEADER_BYTES
  if (!isRequest) return null
  const reply = Buffer.alloc(HEADER_BYTES + 12)
  reply.writeUInt16BE(BINDING_SUCCESS, 0)
  reply.writeUInt16BE(12, 2)
  request.copy(reply, 4, 4, HEADER_BYTES)
  reply.writeUInt16BE(XOR_MAPPED_ADDRESS, 20)
  reply.writeUInt16BE(8, 22)
  reply.writeUInt8(1, 25)
  reply.writeUInt16BE(port ^ (COOKIE >>> 16), 26)
  const numbers = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  reply.writeUInt32BE((numbers ^ COOKIE) >>> 0, 28)
  return reply
}
