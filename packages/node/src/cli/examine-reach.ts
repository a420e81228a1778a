import { networkInterfaces } from 'node:os'
import type { Device } from '@freehold/core/device/device'
import type { NodeReachInit } from '../mesh/open-mesh.ts'
import type { RouterKind } from '../mesh/router-kind.ts'
import { type Check, REACHABLE } from './examine.ts'

interface Examination {
  check: (name: string, look: () => Promise<string>) => Promise<boolean>
  report: (check: Check) => void
  signal: AbortSignal
}

/** A router is looked for and asked within a few seconds, or there is none that listens. */
const ROUTER_MS = 15_000
const LOOK_MS = 200

const KINDS: Record<RouterKind['kind'], string> = {
  none: 'there is none before this device',
  same: 'it shows one port to everybody, so that others connect directly where theirs is no worse',
  other: 'it shows another port to each (symmetric): most others reach this device by relay alone',
  some: 'there is one; with a second relay or STUN server it would be known whether holes can be punched in it',
}

/** Looks at how others reach this device: by which router, relay and port. Asks those alone that the settings name. */
export async function examineReach(
  device: Device,
  reach: NodeReachInit,
  { check, report, signal }: Examination,
): Promise<void> {
  const { stunServers } = await import('../mesh/open-mesh.ts')
  const servers = stunServers(reach)
  let kind: RouterKind['kind'] | null = null
  if (servers.length === 0) {
    const says = 'no relay and no STUN server in the settings would say how this device is seen'
    report({ name: 'router', status: 'not checked', says })
  } else {
    await check('router', async () => {
      const { routerKind } = await import('../mesh/router-kind.ts')
      const found = await routerKind(servers, { signal })
      kind = found.kind
      return `${KINDS[kind]}; seen as ${[...new Set(found.seen)].join(' and ')}`
    })
  }
  const addresses = async () => (await device.discovering.state()).addresses
  for (const relay of reach.relays ?? []) {
    const [id] = /12D3Koo\w+$/.exec(relay) ?? []
    if (id === undefined) continue
    await check(`place at ${relay}`, async () => {
      const place = (await addresses()).find((one) => one.includes(`/p2p/${id}/p2p-circuit/`))
      if (place !== undefined) return `it gives one, here to a key made for this look: ${place}`
      throw new Error('it gives this device no place: it is away, full, or relays for nobody')
    })
  }
  if (reach.upnp) {
    await check('port of the router', async () => {
      const until = Date.now() + ROUTER_MS
      for (;;) {
        const mapped = (await addresses()).find(isMapped)
        if (mapped !== undefined) return `it gives one: ${mapped}`
        if (Date.now() > until) throw new Error('no router here gives one (UPnP, NAT-PMP)')
        signal.throwIfAborted()
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    })
  }
  const all = await addresses()
  const ways = [
    ...(kind === 'none' ? ['by its own address'] : []),
    ...(all.some(isMapped) ? ['by a port of its router'] : []),
    ...(all.some(isRelayed) ? ['by relay'] : []),
  ]
  const says =
    ways.length > 0
      ? `${ways.join(', ')}, as far as can be told from here`
      : 'no way is known: others can neither dial it nor find it at a relay'
  // Who set up no way to be reached has none that does not work.
  const isMeant = servers.length > 0 || reach.upnp || (reach.relays ?? []).length > 0
  const status = ways.length > 0 ? 'ok' : isMeant ? 'failed' : 'not checked'
  report({ name: REACHABLE, status, says })
}

const isRelayed = (address: string): boolean => address.includes('/p2p-circuit')

/** Whether an address is one that a router gave: it is on none of this device's interfaces. */
function isMapped(address: string): boolean {
  const [, host] = /^\/ip4\/([^/]+)\/tcp\//.exec(address) ?? []
  const own = Object.values(networkInterfaces()).flatMap((list = []) =>
    list.map((one) => one.address),
  )
  return host !== undefined && !isRelayed(address) && !own.includes(host)
}
