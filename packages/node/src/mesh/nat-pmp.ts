import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import type { PortRouter } from '@freehold/core/mesh/map-ports'

const PMP_PORT = 5351
const OPCODES = { external: 0, udp: 1, tcp: 2 } as const
const IS_REPLY = 128
/** A reply holds what it is to: version, opcode, result, time since the router started. */
const REPLY_HEAD_BYTES = 8
const REPLY_BYTES = { external: 12, udp: 16, tcp: 16 } as const
/** Asked again after a quarter of a second, then after twice as long each time. */
const FIRST_WAIT_MS = 250
const TRIES = 5
const RESULTS = [
  'it is well',
  'it speaks another version',
  'it refuses',
  'it has no address of its own',
  'it has no port left',
  'it does not know how',
]

/**
 * NAT-PMP (RFC 6886): the router itself is asked for a port, by UDP.
 * @param router its IPv4 address on this side
 */
export function createPmpClient(router: string, port: number = PMP_PORT): PortRouter {
  async function ask(
    kind: keyof typeof OPCODES,
    body: Buffer,
    isMine: (reply: Buffer) => boolean,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const socket = createSocket('udp4')
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const abort = () => reject(signal.reason)
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', abort)
      socket.on('error', reject)
      // Connected, it hears nobody else.
      socket.connect(port, router)
      socket.on('message', (reply) => {
        const isAnswer =
          reply.length >= REPLY_BYTES[kind] &&
          reply[0] === 0 &&
          reply[1] === IS_REPLY + OPCODES[kind] &&
          isMine(reply)
        if (isAnswer) resolve(reply)
      })
      const send = (tries: number, waitMs: number) => {
        if (tries === 0) return reject(new Error(`${router} does not answer NAT-PMP`))
        socket.send(Buffer.concat([Buffer.of(0, OPCODES[kind]), body]))
        timer = setTimeout(send, waitMs, tries - 1, 2 * waitMs)
      }
      socket.once('connect', () => send(TRIES, FIRST_WAIT_MS))
      const reply = await promise
      const result = reply.readUInt16BE(2)
      if (result === 0) return reply
      throw new Error(`${router} gives no port: ${RESULTS[result] ?? `result ${result}`}`)
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.close()
    }
  }

  return {
    externalHost: async ({ signal }) => {
      const reply = await ask('external', Buffer.alloc(0), () => true, signal)
      return [...reply.subarray(REPLY_HEAD_BYTES, REPLY_HEAD_BYTES + 4)].join('.')
    },
    map: async ({ protocol, port: inside, seconds }, { signal }) => {
      const body = Buffer.alloc(10)
      body.writeUInt16BE(inside, 2)
      // The same number outside, if it is free; 0 where it is given back.
      body.writeUInt16BE(seconds === 0 ? 0 : inside, 4)
      body.writeUInt32BE(seconds, 6)
      const isMine = (reply: Buffer) => reply.readUInt16BE(REPLY_HEAD_BYTES) === inside
      const reply = await ask(protocol, body, isMine, signal)
      return { externalPort: reply.readUInt16BE(10), seconds: reply.readUInt32BE(12) }
    },
  }
}

/** The router before this device, if this system says who that is. */
export async function findPmpRouter(): Promise<PortRouter | null> {
  const router = defaultRouter(await readFile('/proc/net/route', 'utf8').catch(() => ''))
  return router === null ? null : createPmpClient(router)
}

/** The router that Linux sends everything to, from `/proc/net/route`; null: none, or it is no router at all. */
export function defaultRouter(routes: string): string | null {
  for (const line of routes.split('\n').slice(1)) {
    const [, destination, gateway, flags] = line.split(/\s+/)
    const isUp = (Number.parseInt(flags ?? '0', 16) & 0x3) === 0x3
    if (destination !== '00000000' || !isUp || gateway === undefined) continue
    const bytes = Buffer.from(gateway, 'hex').reverse().join('.')
    if (isIPv4(bytes)) return bytes
  }
  return null
}
