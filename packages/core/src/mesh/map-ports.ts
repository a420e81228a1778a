import { isLoopback, isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Log } from '../platform.ts'
import type { Libp2pService } from './keep-reservations.ts'

/** A router that can be asked for ports. */
export interface PortRouter {
  /** How it is seen from outside, IPv4. @throws when it does not say, or has no address yet */
  externalHost(init: { signal: AbortSignal }): Promise<string>
  /**
   * Asks for a port that leads to one of this machine's. `seconds` 0 gives it back.
   * @returns the port outside, and how long it is there
   */
  map(
    mapping: { protocol: 'tcp' | 'udp'; port: number; seconds: number },
    init: { signal: AbortSignal },
  ): Promise<{ externalPort: number; seconds: number }>
}

/** As long as RFC 6886 recommends, and asked for again at half of it. */
const LEASE_SECONDS = 7_200
const ASK_MS = 8_000
const END_MS = 1_000
/** A router that is away, or has no address yet, is asked again. */
const AGAIN_MS = 5 * 60_000
/** For as long as this device runs: what the router maps is believed. */
const CONFIRMED_MS = 365 * 86_400_000

interface Mapping {
  host: string
  protocol: 'tcp' | 'udp'
  port: number
  externalHost: string
  externalPort: number
}

/**
 * Asks the router for ports that lead here, as long as this device listens, and gives them back in the end.
 * @param find the router that is before this device now; null: none is known
 */
export function mapPorts(find: () => Promise<PortRouter | null>, log: Log): Libp2pService {
  return ({ addressManager, events }) => {
    const made = new Map<string, Mapping>()
    let router: PortRouter | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    let stop = new AbortController()
    let asking: Promise<void> = Promise.resolve()

    const say = () => {
      asking = asking.then(round).catch((error) => {
        log('mesh.map-ports', { error: String(error) })
        later(AGAIN_MS)
      })
    }
    function later(ms: number): void {
      clearTimeout(timer)
      if (!stop.signal.aborted) timer = setTimeout(say, ms)
    }

    async function round(): Promise<void> {
      const inside = addressManager
        .getAddressesWithMetadata()
        .filter(({ type }) => type === 'transport')
        .map((one) => insideOf(one.multiaddr))
        .filter((one) => one !== null)
      if (inside.length === 0 || stop.signal.aborted) return
      router = await find()
      if (router === null) return
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(ASK_MS)])
      const externalHost = await router.externalHost({ signal })
      // Another router is before this one: what it maps is seen by nobody.
      if (isPrivate(multiaddr(`/ip4/${externalHost}`))) return later(AGAIN_MS)
      let seconds = LEASE_SECONDS
      for (const { host, protocol, port } of inside) {
        const asked = { protocol, port, seconds: LEASE_SECONDS }
        const given = await router.map(asked, { signal })
        seconds = Math.min(seconds, given.seconds)
        keep({ host, protocol, port, externalHost, externalPort: given.externalPort })
      }
      later(Math.max(1, seconds / 2) * 1_000)
    }

    function keep(mapping: Mapping): void {
      const key = `${mapping.host} ${mapping.protocol} ${mapping.port}`
      const before = made.get(key)
      const { externalHost, externalPort, protocol } = mapping
      if (before?.externalHost === externalHost && before.externalPort === externalPort) return
      if (before !== undefined) addressManager.removePublicAddressMapping(...fieldsOf(before))
      made.set(key, mapping)
      addressManager.addPublicAddressMapping(...fieldsOf(mapping))
      const outside = multiaddr(`/ip4/${externalHost}/${protocol}/${externalPort}`)
      addressManager.confirmObservedAddr(outside, { ttl: CONFIRMED_MS })
    }

    return {
      start: () => {},
      afterStart: () => {
        stop = new AbortController()
        events.addEventListener('self:peer:update', say)
        say()
      },
      stop: async () => {
        events.removeEventListener('self:peer:update', say)
        stop.abort()
        clearTimeout(timer)
        await asking
        const [before, signal] = [router, AbortSignal.timeout(END_MS)]
        if (before === null) return
        const ends = [...made.values()].map(({ protocol, port }) =>
          before.map({ protocol, port, seconds: 0 }, { signal }),
        )
        made.clear()
        await Promise.allSettled(ends)
      },
    }
  }
}

/** Where it listens in a private network; null: everybody reaches that, or nobody. */
function insideOf(address: Multiaddr): Pick<Mapping, 'host' | 'protocol' | 'port'> | null {
  const [, host = '', protocol, port] =
    /^\/ip4\/([^/]+)\/(tcp|udp)\/(\d+)/.exec(String(address)) ?? []
  if (protocol === undefined || !isPrivate(address) || isLoopback(address)) return null
  return { host, protocol: protocol as 'tcp' | 'udp', port: Number(port) }
}

function fieldsOf({ host, port, externalHost, externalPort, protocol }: Mapping) {
  return [host, port, externalHost, externalPort, protocol] as const
}
