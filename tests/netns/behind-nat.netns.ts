/** Lenders behind routers, in network namespaces: `npm run netns`. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNot } from './commands.ts'
import { createInternet, type Internet } from './internet.ts'
import { NAT_KINDS, type NatKind } from './nat-rules.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

const why = whyNot()
const WAIT_MS = 60_000
const START_MS = 300_000
const PORT = 4215
const LISTEN = [`/ip4/0.0.0.0/tcp/${PORT}`]
const PLACES = ['public', ...NAT_KINDS] as const
const PAIRS = PLACES.flatMap((from) => NAT_KINDS.map((to) => ({ from, to })))

interface Way {
  from: string
  to: string
  /** Whether it came to a direct connection; and before the first answer had waited long enough for it. */
  isDirect: boolean
  isAtOnce: boolean
}

/** Where no mapping of one side is of use to the other: such pairs stay on the relay. */
function canPunch(from: (typeof PLACES)[number], to: NatKind): boolean {
  const kinds: string[] = [from, to]
  const others = kinds.filter((kind) => kind !== 'symmetric')
  return others.length === 2 || (others.length === 1 && others[0] !== 'port restricted')
}

describe.skipIf(why !== null)(`a device behind a router${why === null ? '' : ` (${why})`}`, () => {
  let internet: Internet
  let relay: RunningDevice
  const lenders = new Map<string, RunningDevice>()
  const borrowers = new Map<string, RunningDevice>()
  const table: Way[] = []

  beforeAll(async () => {
    internet = await createInternet()
    const host = await internet.host()
    const init = { listen: LISTEN, lends: true }
    relay = await startDevice(host, { ...init, name: 'relay', reach: { relay: 'always' } })
    const [own = ''] = (await relay.tell({ do: 'addresses' })).addresses ?? []
    const reach = { relays: [`/ip4/${host.address}/tcp/${PORT}/p2p/${own.split('/p2p/')[1]}`] }
    const place = (kind: (typeof PLACES)[number]) =>
      kind === 'public' ? internet.host() : internet.hidden(kind)
    for (const kind of NAT_KINDS) {
      const name = `lender, ${kind}`
      lenders.set(kind, await startDevice(await place(kind), { ...init, name, reach }))
    }
    for (const kind of PLACES) {
      const own = { name: `borrower, ${kind}`, listen: [], lends: false, reach }
      borrowers.set(kind, await startDevice(await place(kind), own))
    }
  }, START_MS)

  afterAll(async () => {
    const devices = [...borrowers.values(), ...lenders.values(), relay]
    await Promise.all(devices.map((device) => device?.[Symbol.asyncDispose]()))
    await internet?.[Symbol.asyncDispose]()
    // For who wants the figures: FREEHOLD_NETNS_JSON=FILE.
    const file = process.env.FREEHOLD_NETNS_JSON
    if (file !== undefined) writeFileSync(file, `${JSON.stringify({ pairs: table }, null, 2)}\n`)
  }, START_MS)

  /** The relayed address of a lender, once it has its place there, and its key. */
  async function placeOf(lender: RunningDevice): Promise<{ address: string; device: string }> {
    const until = Date.now() + WAIT_MS
    for (;;) {
      const { addresses = [], device = '' } = await lender.tell({ do: 'addresses' })
      const address = addresses.find((one) => /\/p2p-circuit\/p2p\/[^/]+$/.test(one))
      if (address !== undefined) return { address, device }
      if (Date.now() > until)
        throw new Error(`it has no place at the relay: ${addresses.join(' ')}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  it.for(PAIRS)(
    'default: lends from behind a $to router to a $from one',
    {
      timeout: START_MS,
    },
    async ({ from, to }) => {
      const borrower = borrowers.get(from)!
      const { address, device } = await placeOf(lenders.get(to)!)
      await borrower.tell({ do: 'ask', address })
      const borrow = async () => {
        const answer = await borrower.tell({ do: 'borrow', lender: device, tokens: 64 })
        expect(answer.tokens).toBe(64)
        return answer.isDirect === true
      }
      const isAtOnce = await borrow()
      // What was not done in time for one answer is there for the next.
      if (!isAtOnce) await borrower.tell({ do: 'punch', lender: device })
      const isDirect = isAtOnce || (await borrow())
      table.push({ from, to, isDirect, isAtOnce })
      // No hole can be punched there; where one can, a busy machine may still be too late for it.
      if (!canPunch(from, to)) expect(isDirect).toBe(false)
    },
  )

  it('behaviour: connects pairs directly whose routers let it', () => {
    const can = table.filter(({ from, to }) =>
      canPunch(from as (typeof PLACES)[number], to as NatKind),
    )
    const direct = can.filter(({ isDirect }) => isDirect)
    for (const { from, to, isDirect, isAtOnce } of table) {
      const when = isAtOnce ? 'from the first answer on' : 'from the second answer on'
      process.stdout.write(`${from} → ${to}: ${isDirect ? `direct ${when}` : 'relayed'}\n`)
    }
    expect(direct.length).toBeGreaterThan(0)
  })
})
