/** Whether a device is reached from outside, by the word of others (AutoNAT), and relays for others then: `npm run netns`. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { loadRules, whyNot } from './commands.ts'
import { createInternet, type Host, type Internet } from './internet.ts'
import { WAN } from './nat-rules.ts'
import type { DeviceSettings } from './orders.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

const why = whyNot()
const PORT = 4215
const LISTEN = [`/ip4/0.0.0.0/tcp/${PORT}`]
const START_MS = 180_000
const WAIT = { timeout: 150_000, interval: 500 }
/** So many who found in vain that an address works take it back. */
const NEIGHBOURS = 8
/** What comes in unasked is dropped without a word. */
const WALL = `table ip wall {
  chain in {
    type filter hook input priority filter; policy accept;
    iifname "${WAN}" ct state established,related accept
    iifname "${WAN}" drop
  }
}`

describe.skipIf(why !== null)(`a device among others${why === null ? '' : ` (${why})`}`, () => {
  let internet: Internet
  const devices: RunningDevice[] = []
  let neighbours: string[]

  const start = async (host: Host, changes: Partial<DeviceSettings> = {}) => {
    const init = { name: 'device', listen: LISTEN, lends: true, reach: {}, ...changes }
    const device = await startDevice(host, init)
    devices.push(device)
    return device
  }
  const said = async (device: RunningDevice) =>
    (await device.tell({ do: 'addresses' })).addresses ?? []
  const ownOf = async (device: RunningDevice, { address }: Host) =>
    (await said(device)).find((one) => one.startsWith(`/ip4/${address}/`))

  beforeAll(async () => {
    internet = await createInternet()
    const hosts = await Promise.all(Array.from({ length: NEIGHBOURS }, () => internet.host()))
    const all = await Promise.all(hosts.map((host) => start(host)))
    neighbours = await Promise.all(all.map(async (one, i) => (await ownOf(one, hosts[i]!)) ?? ''))
  }, START_MS)
  afterAll(async () => {
    for (const device of devices) await device[Symbol.asyncDispose]()
    await internet?.[Symbol.asyncDispose]()
  }, START_MS)

  it(
    'default: relays for others, without a word in its settings that it can be reached',
    async () => {
      const host = await internet.host()
      const relay = await start(host, { reach: { relay: true } })
      const address = (await ownOf(relay, host)) ?? ''
      for (const neighbour of neighbours) await relay.tell({ do: 'ask', address: neighbour })
      const home = await internet.hidden('symmetric')
      const lender = await start(home, { listen: [], reach: { relays: [address] } })
      const place = await vi.waitFor(async () => {
        const found = (await said(lender)).find((one) => /\/p2p-circuit\/p2p\/[^/]+$/.test(one))
        if (found === undefined) throw new Error('it has no place')
        return found
      }, WAIT)
      const borrower = await start(await internet.hidden('symmetric'), { listen: [], lends: false })
      await borrower.tell({ do: 'ask', address: place })
      const { device: key = '' } = await lender.tell({ do: 'addresses' })
      const answer = await borrower.tell({ do: 'borrow', lender: key, tokens: 8 })
      expect(answer).toMatchObject({ tokens: 8, isDirect: false })
      expect(await ownOf(relay, host)).toBe(address)
    },
    START_MS,
  )

  it(
    'behaviour: takes back an address of its own that others find does not work',
    async () => {
      const host = await internet.host()
      await loadRules(host.namespace, WALL)
      const device = await start(host, { reach: { relay: true } })
      expect(await ownOf(device, host)).toBeDefined()
      for (const neighbour of neighbours) await device.tell({ do: 'ask', address: neighbour })
      await vi.waitFor(async () => expect(await ownOf(device, host)).toBe(undefined), WAIT)
    },
    START_MS,
  )
})
