/** A home router that speaks NAT-PMP (RFC 6886): `pmp-gateway-process.ts LAN-ADDRESS WAN-ADDRESS`. Over IPC it lists its mappings. */
import { createSocket } from 'node:dgram'
import { createPortMap } from './port-map.ts'

const PMP_PORT = 5351
/** Shorter than what is asked for: routers say how long they keep a mapping. */
const MOST_SECONDS = 4
const WELL = 0
const REFUSED = 2
const UNKNOWN = 5

const [lan = '', wan = ''] = process.argv.slice(2)
process.once('disconnect', () => process.exit(1))
const map = createPortMap()
const startedMs = performance.now()
let renewals = 0

function answer(request: Buffer, from: string): Buffer {
  const opcode = request[1] ?? 0
  const head = (result: number) => {
    const bytes = Buffer.alloc(8)
    bytes[1] = 128 + opcode
    bytes.writeUInt16BE(result, 2)
    bytes.writeUInt32BE(Math.floor((performance.now() - startedMs) / 1_000), 4)
    return bytes
  }
  if (opcode === 0 && request.length === 2) {
    return Buffer.concat([head(WELL), Buffer.from(wan.split('.').map(Number))])
  }
  if (opcode > 2 || request.length !== 12) return head(UNKNOWN)
  const protocol = opcode === 1 ? 'udp' : 'tcp'
  const [inside, wished, asked] = [
    request.readUInt16BE(4),
    request.readUInt16BE(6),
    request.readUInt32BE(8),
  ]
  const seconds = Math.min(asked, MOST_SECONDS)
  // Who gives a port back asks for port 0.
  if ((seconds === 0) !== (wished === 0)) return Buffer.concat([head(REFUSED), Buffer.alloc(8)])
  if (seconds === 0) map.remove(protocol, inside)
  else {
    if (map.list().length > 0) renewals++
    map.add(protocol, wished, { host: from, port: inside })
  }
  const body = Buffer.alloc(8)
  body.writeUInt16BE(inside, 0)
  body.writeUInt16BE(wished, 2)
  body.writeUInt32BE(seconds, 4)
  return Buffer.concat([head(WELL), body])
}

const socket = createSocket('udp4')
socket.on('message', (data, from) => {
  if (data[0] === 0) socket.send(answer(data, from.address), from.port, from.address)
})
socket.bind(PMP_PORT, lan, () => process.send?.([]))
process.on('message', (word) => process.send?.(word === 'renewals' ? [renewals] : map.list()))
