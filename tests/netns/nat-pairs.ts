/** A relay, and a lender and a borrower in each place: who borrows from whom comes to a direct connection or does not. */
import { createInternet } from './internet.ts'
import { NAT_KINDS, type NatKind } from './nat-rules.ts'
import type { LineKind } from './slow-line.ts'
import { type RunningDevice, startDevice } from './start-device.ts'

/** Where a borrower is; lenders are behind routers, since those in public are dialled. */
const PLACES = ['public', ...NAT_KINDS] as const
type Place = (typeof PLACES)[number]

export const NAT_PAIRS = PLACES.flatMap((from) => NAT_KINDS.map((to) => ({ from, to })))

/** What came of one pair. */
export interface NatWay {
  from: Place
  to: NatKind
  /** Whether it came to a direct connection; and before the first answer had waited long enough for it. */
  isDirect: boolean
  isAtOnce: boolean
}

export interface NatTown extends AsyncDisposable {
  /** Borrows, and once more where the first answer went through the relay. @throws when an answer is not whole */
  borrow(from: Place, to: NatKind): Promise<NatWay>
}

const WAIT_MS = 60_000
const PORT = 4215
const TOKENS = 64

/** Whether a mapping of one side is of use to the other: other pairs stay on the relay. */
export function canPunch(from: Place, to: NatKind): boolean {
  const kinds: string[] = [from, to]
  const others = kinds.filter((kind) => kind !== 'symmetric')
  return others.length === 2 || (others.length === 1 && others[0] !== 'port restricted')
}

/** @param line on which everybody but the relay is @default wires */
export async function openNatTown({ line }: { line?: LineKind } = {}): Promise<NatTown> {
  await using stack = new AsyncDisposableStack()
  const internet = stack.use(await createInternet())
  const place = (kind: Place) =>
    kind === 'public' ? internet.host(line) : internet.hidden(kind, line)
  const host = await internet.host()
  const init = { listen: [`/ip4/0.0.0.0/tcp/${PORT}`], lends: true }
  const relaying = { ...init, name: 'relay', reach: { relay: 'always' } } as const
  const relay = stack.use(await startDevice(host, relaying))
  const said = (await relay.tell({ do: 'addresses' })).addresses ?? []
  // Who has a public address says it before anybody was there to find that it works.
  const [own] = said.filter((one) => one.startsWith(`/ip4/${host.address}/`))
  if (own === undefined) throw new Error(`the relay says only ${said.join(' ')}`)
  const reach = { relays: [own] }
  const lenders = new Map<string, RunningDevice>()
  for (const kind of NAT_KINDS) {
    const lender = await startDevice(await place(kind), { ...init, name: `lender, ${kind}`, reach })
    lenders.set(kind, stack.use(lender))
  }
  const borrowers = new Map<string, RunningDevice>()
  for (const kind of PLACES) {
    const settings = { name: `borrower, ${kind}`, listen: [], lends: false, reach }
    borrowers.set(kind, stack.use(await startDevice(await place(kind), settings)))
  }
  const kept = stack.move()
  return {
    borrow: async (from, to) => {
      const borrower = borrowers.get(from)!
      const { address, device: lender } = await placeOf(lenders.get(to)!)
      await borrower.tell({ do: 'ask', address })
      const borrow = async () => {
        const { tokens, isDirect } = await borrower.tell({ do: 'borrow', lender, tokens: TOKENS })
        if (tokens !== TOKENS) throw new Error(`${from} to ${to}: ${tokens} tokens`)
        return isDirect === true
      }
      const isAtOnce = await borrow()
      // What was not done in time for one answer is there for the next.
      if (!isAtOnce) await borrower.tell({ do: 'punch', lender })
      return { from, to, isAtOnce, isDirect: isAtOnce || (await borrow()) }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** The relayed address of a lender, once it has its place there, and its key. */
async function placeOf(lender: RunningDevice): Promise<{ address: string; device: string }> {
  const until = Date.now() + WAIT_MS
  for (;;) {
    const { addresses = [], device = '' } = await lender.tell({ do: 'addresses' })
    const address = addresses.find((one) => /\/p2p-circuit\/p2p\/[^/]+$/.test(one))
    if (address !== undefined) return { address, device }
    if (Date.now() > until) throw new Error(`it has no place at the relay: ${addresses.join(' ')}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
