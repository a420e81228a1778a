/** As much of STUN (RFC 8489) as tells a device how it is seen: binding requests and their answers over IPv4. */
const HEADER_BYTES = 20
const COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020
/** More than any client sends; a reply is 32 bytes, so that nobody can have much sent to another. */
const MAX_REQUEST_BYTES = 256
const REPLY_BYTES = HEADER_BYTES + 12

/** @param id 12 random bytes */
export function bindingRequest(id: Uint8Array): Buffer {
  const request = Buffer.alloc(HEADER_BYTES)
  request.writeUInt16BE(BINDING_REQUEST, 0)
  request.writeUInt32BE(COOKIE, 4)
  request.set(id, 8)
  return request
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
  const reply = Buffer.alloc(REPLY_BYTES)
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

/** @returns `HOST:PORT` as which `request` was seen; null for what does not answer it */
export function mappedAddress(reply: Buffer, request: Buffer): string | null {
  const isReply =
    reply.length >= HEADER_BYTES &&
    reply.readUInt16BE(0) === BINDING_SUCCESS &&
    reply.subarray(4, HEADER_BYTES).equals(request.subarray(4, HEADER_BYTES))
  if (!isReply) return null
  for (let at = HEADER_BYTES; at + 4 <= reply.length; ) {
    const sizeBytes = reply.readUInt16BE(at + 2)
    const isAddress = reply.readUInt16BE(at) === XOR_MAPPED_ADDRESS && sizeBytes === 8
    if (isAddress && at + 12 <= reply.length && reply.readUInt8(at + 5) === 1) {
      const port = reply.readUInt16BE(at + 6) ^ (COOKIE >>> 16)
      const numbers = (reply.readUInt32BE(at + 8) ^ COOKIE) >>> 0
      const parts = [24, 16, 8, 0].map((shift) => (numbers >>> shift) & 0xff)
      return `${parts.join('.')}:${port}`
    }
    at += 4 + 4 * Math.ceil(sizeBytes / 4)
  }
  return null
}
