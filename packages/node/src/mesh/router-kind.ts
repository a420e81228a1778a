import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { systemRandom } from '@freehold/core/platform'
import { bindingRequest, mappedAddress } from './stun.ts'

/**
 * How this device is seen from outside. `none`: under an address of its own; `same`: a router shows one
 * port to everybody, so that holes can be punched; `other`: it shows another port to each (symmetric);
 * `some`: there is a router, and one server alone cannot tell which of the two.
 */
export interface RouterKind {
  kind: 'none' | 'same' | 'other' | 'some'
  /** `HOST:PORT` for each server that answered. */
  seen: string[]
}

/** Asked so often, since any packet may be lost. */
const TRIES = 4
const AGAIN_MS = 500

/**
 * Asks STUN servers how this device is seen, all of them from one socket.
 * @param servers `HOST:PORT`
 * @throws Error when none answers
 */
export async function routerKind(
  servers: readonly string[],
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<RouterKind> {
  const socket = createSocket('udp4')
  const requests = servers.map((server) => ({ server, request: bindingRequest(systemRandom(12)) }))
  const seen = new Map<string, string>()
  const { promise: all, resolve } = Promise.withResolvers<void>()
  socket.on('error', () => {})
  socket.on('message', (reply) => {
    for (const { server, request } of requests) {
      const address = mappedAddress(reply, request)
      if (address !== null) seen.set(server, address)
    }
    if (seen.size === servers.length) resolve()
  })
  try {
    socket.bind(0)
    await once(socket, 'listening', { signal })
    for (let i = 0; i < TRIES && seen.size < servers.length; i++) {
      signal?.throwIfAborted()
      for (const { server, request } of requests) {
        const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(server) ?? []
        // A name that does not resolve is a server that does not answer.
        if (!seen.has(server)) socket.send(request, Number(port), host, () => {})
      }
      let timer: ReturnType<typeof setTimeout> | undefined
      const late = new Promise<void>((done) => {
        timer = setTimeout(done, AGAIN_MS)
      })
      await Promise.race([all, late])
      clearTimeout(timer)
    }
    if (seen.size === 0) throw new Error(`none of ${servers.join(', ')} answers STUN`)
    return { kind: kindOf([...seen.values()], socket.address().port), seen: [...seen.values()] }
  } finally {
    socket.close()
  }
}

function kindOf(seen: readonly string[], port: number): RouterKind['kind'] {
  const own = Object.values(networkInterfaces()).flatMap((all = []) =>
    all.map((one) => one.address),
  )
  if (seen.every((one) => own.some((address) => one === `${address}:${port}`))) return 'none'
  if (seen.length === 1) return 'some'
  return new Set(seen).size === 1 ? 'same' : 'other'
}
