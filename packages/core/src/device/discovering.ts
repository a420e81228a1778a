import { pause, withinTime } from '../abort.ts'
import { fromHex, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { peerName } from '../identity/peer-name.ts'
import type { Discovery } from '../mesh/discovery.ts'
import { OFFER_PROTOCOL } from '../mesh/protocols.ts'
import type { Provider } from '../mesh/provide-models.ts'
import { decodeInvitation, type Invitation } from '../wire/invitation.ts'
import { encodeOffer, type Offer } from '../wire/offer.ts'
import { createHeardOffers } from './heard-offers.ts'
import type { Parts } from './parts.ts'
import { createPeerBook } from './peer-book.ts'
import type { KnownOffer, PeerService } from './peers.ts'

/** Finds lenders without a server, and lets others find this one. */
export interface DiscoveringService extends AsyncDisposable {
  /**
   * Asks the network who lends a model, and those for their offers: afterwards the peer service knows them. Who is asked
   * along the way learns that this device looks for it.
   * @param modelId hex
   * @returns offers that hold and have the model, at most `ENOUGH`
   */
  look(modelId: string, init?: { signal?: AbortSignal | undefined }): Promise<KnownOffer[]>
  /** Says that this device lends these models, from now until it is disposed. */
  announce(lent: AnnounceInit): AsyncDisposable
  /** Follows an invitation. @throws WireError, LendingError when nobody proves its key there */
  follow(link: string, init?: { signal?: AbortSignal | undefined }): Promise<Invitation>
  /** Connects to one device. @returns the key that it proves @throws LendingError `lost` */
  greet(address: string, init?: { signal?: AbortSignal | undefined }): Promise<Uint8Array>
  /** How it stands. */
  state(): Promise<DiscoveringState>
}

export interface AnnounceInit {
  /** Ids, SHA-256. */
  models: readonly Uint8Array[]
  offer: () => Promise<Offer>
  /** How long an offer lives: it is told again when half of that is over. */
  lifeMs: number
}

export interface DiscoveringState {
  /** Where this device can be reached. */
  addresses: string[]
  connected: number
  /** Whether it keeps a part of the table of who lends what. */
  isServer: boolean
}

/** Lenders asked for their offer in one look-up: a choice, without waking everybody. */
const ENOUGH = 8
const LOOK_MS = 15_000
const GREET_MS = 10_000
/** Entering stops when so many are connected; who is met then is Kademlia's to say. */
const ENTERED = 4
/** Dialled at once while entering: most contacts of an old book are gone. */
const AT_ONCE = 8
/** When nobody was there: how long until the next try. */
const FIRST_RETRY_MS = 5_000
const LAST_RETRY_MS = 10 * 60_000
/** How long a provider that did not answer, or does not lend what it says, is not asked again. */
const SHUNNED_MS = 10 * 60_000
const MAX_SHUNNED = 1_000
/** Who shows up in the local network is asked for its offer once in so long. */
const NEAR_MS = 5 * 60_000

export function createDiscoveringService(
  parts: Parts,
  { peers }: { peers: PeerService },
): DiscoveringService {
  const { mesh, clock, log, tables, bootstrap, identity, quarantine } = parts
  const discovery = mesh?.discovery
  const book = createPeerBook(tables.contacts, {
    clock,
    self: identity && toHex(identity.device),
  })
  const stop = new AbortController()
  /** Device keys in hex, until when they are left alone. */
  const shunned = new Map<string, number>()
  const near = new Map<string, number>()
  /** What is under way, so that nothing writes after the end. */
  const tasks = new Set<Promise<unknown>>()
  let cancelRetry = () => {}
  let entered: Promise<void> = Promise.resolve()

  function background(work: Promise<unknown>, event: string): void {
    const task = work
      .catch((error) => {
        if (!stop.signal.aborted) log(event, { error: String(error) })
      })
      .finally(() => tasks.delete(task))
    tasks.add(task)
  }

  /** Dials until a few are connected, or nobody is left. */
  async function enter(found: Discovery): Promise<void> {
    const rows = await book.contacts()
    const addresses = new Set([
      ...bootstrap,
      ...rows.flatMap((row) => row.addresses.slice(0, 2).map(({ address }) => address)),
    ])
    const left = [...addresses]
    const dial = async () => {
      for (;;) {
        const address = left.shift()
        if (address === undefined || found.connected() >= ENTERED) return
        const signal = withinTime(stop.signal, GREET_MS)
        await found.greet(address, { signal }).catch((error) => {
          stop.signal.throwIfAborted()
          log('discovery.nobody', { address, error: String(error) })
        })
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, dial))
  }

  /** Enters, and again whenever everybody is gone. */
  function keepEntering(found: Discovery, waitMs: number): void {
    entered = found.connected() > 0 ? Promise.resolve() : enter(found)
    background(
      entered.then(() => {
        const isIn = found.connected() > 0
        const next = isIn ? FIRST_RETRY_MS : Math.min(2 * waitMs, LAST_RETRY_MS)
        if (stop.signal.aborted) return
        cancelRetry = clock.after(isIn ? LAST_RETRY_MS / 10 : waitMs, () =>
          keepEntering(found, next),
        )
      }),
      'discovery.enter',
    )
  }

  /** Somebody in the local network says that it is there: what does it offer? */
  function greetNear({ device, addresses }: Provider): void {
    const key = toHex(device)
    if ((near.get(key) ?? 0) > clock.now()) return
    remember(near, key, clock.now() + NEAR_MS)
    const askAny = async () => {
      for (const address of addresses) {
        try {
          return void (await peers.ask(address, { signal: stop.signal }))
        } catch (error) {
          log('discovery.near', { address, error: String(error) })
        }
      }
    }
    background(askAny(), 'discovery.near')
  }

  // Whoever cannot be dialled, such as a page, is asked when it comes.
  mesh?.onConnected((device, protocols) => {
    if (protocols.includes(OFFER_PROTOCOL)) background(greetFamiliar(device), 'discovery.familiar')
  })
  if (discovery) {
    discovery.onMet((device, at) => background(book.met(device, at), 'discovery.book'))
    discovery.onHeard(greetNear)
    discovery.gossip?.listen(createHeardOffers(parts, (offer) => peers.learn(offer)))
    keepEntering(discovery, FIRST_RETRY_MS)
  }

  /** One's own device, or a friend's, is connected: what does it offer? */
  async function greetFamiliar(device: Uint8Array): Promise<void> {
    const key = toHex(device)
    if ((await peers.rung(key)) === 'market') return
    await peers.ask(`/p2p/${peerName(device)}`, { signal: stop.signal })
    // However often it was gone: it is there, and nobody dials it.
    await quarantine.note(key, 'receipt')
  }

  /** The offer of one that is said to lend the model, or null. */
  async function ask(
    { device, addresses }: Provider,
    modelId: string,
    signal: AbortSignal,
  ): Promise<KnownOffer | null> {
    const key = toHex(device)
    for (const address of addresses) {
      try {
        const known = await peers.ask(address, { signal })
        const has = known.offer.models.some((model) => toHex(model.modelId) === modelId)
        if (toHex(known.lender) === key && has) return known
      } catch (error) {
        signal.throwIfAborted()
        log('discovery.provider', { address, error: String(error) })
      }
    }
    remember(shunned, key, clock.now() + SHUNNED_MS)
    return null
  }

  async function look(
    modelId: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<KnownOffer[]> {
    const table = discovery?.table
    if (!table) return []
    const either = AbortSignal.any([withinTime(signal, LOOK_MS), stop.signal])
    const asked: Promise<KnownOffer | null>[] = []
    try {
      await entered
      // Alone there is nobody to wait for.
      if (discovery.connected() === 0) return []
      for await (const provider of table.find(fromHex(modelId), { signal: either })) {
        if ((shunned.get(toHex(provider.device)) ?? 0) > clock.now()) continue
        asked.push(ask(provider, modelId, either).catch(() => null))
        if (asked.length >= ENOUGH) break
      }
    } catch (error) {
      signal?.throwIfAborted()
      log('discovery.look', { error: String(error) })
    }
    return (await Promise.all(asked)).filter((known) => known !== null)
  }

  /** Until somebody remembers it: a network of one remembers nothing. */
  async function provide(
    found: Discovery,
    models: readonly Uint8Array[],
    signal: AbortSignal,
  ): Promise<void> {
    let left = [...models]
    for (let waitMs = FIRST_RETRY_MS / 5; left.length > 0; waitMs = Math.min(2 * waitMs, 60_000)) {
      for (const digest of left) {
        const stored = await found.table?.provide(digest, { signal }).catch((error) => {
          signal.throwIfAborted()
          log('discovery.provide', { error: String(error) })
          return 0
        })
        if (stored !== 0) left = left.filter((other) => other !== digest)
      }
      if (left.length > 0) await pause(clock, waitMs, signal)
    }
  }

  async function greet(
    address: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array> {
    if (!discovery) throw new LendingError('lost', { what: 'this device runs without a network' })
    return discovery.greet(address, { signal: withinTime(signal, GREET_MS) })
  }

  return {
    look,
    greet,
    announce: ({ models, offer, lifeMs }) => {
      const done = new AbortController()
      const signal = AbortSignal.any([done.signal, stop.signal])
      const tell = async (): Promise<void> => {
        for (;;) {
          const told = await discovery?.gossip?.tell(encodeOffer(await offer()))
          // Neighbours are there once they have said what they listen to.
          const waitMs = told === 0 ? Math.min(FIRST_RETRY_MS, lifeMs / 2) : lifeMs / 2
          await pause(clock, waitMs, signal)
        }
      }
      background(book.here(mesh?.addresses() ?? []), 'discovery.here')
      if (discovery?.table) background(provide(discovery, models, signal), 'discovery.provide')
      if (discovery?.gossip) background(tell(), 'discovery.tell')
      return {
        [Symbol.asyncDispose]: async () => {
          done.abort(new LendingError('cancelled', { what: 'the lender stops' }))
          for (const digest of models) await discovery?.table?.withdraw(digest)
        },
      }
    },
    follow: async (link, { signal } = {}) => {
      const invitation = decodeInvitation(link)
      const { device, addresses, name, expiresAtMs } = invitation
      if (expiresAtMs !== null && expiresAtMs <= clock.now()) {
        throw new LendingError('deadline', {
          what: 'the invitation is over',
          why: `it ended at ${new Date(expiresAtMs).toISOString()}`,
          next: 'Ask for a new one',
        })
      }
      const errors: string[] = []
      for (const address of addresses) {
        try {
          const proven = await greet(address, { signal })
          if (toHex(proven) === toHex(device)) {
            await book.met(device, { address, says: addresses, name })
            return invitation
          }
          errors.push('another device answers there')
        } catch (error) {
          signal?.throwIfAborted()
          errors.push((error as Error).message)
        }
      }
      throw new LendingError('lost', {
        what: 'nobody proves the key of this invitation',
        why: errors.join('; '),
        next: 'Ask whether the device is running, and for a new invitation if its address changed',
      })
    },
    state: async () => ({
      addresses: mesh?.addresses() ?? [],
      connected: discovery?.connected() ?? 0,
      isServer: discovery?.isServer() ?? false,
    }),
    [Symbol.asyncDispose]: async () => {
      stop.abort(new LendingError('cancelled', { what: 'the device closes' }))
      cancelRetry()
      await Promise.all(tasks)
    },
  }
}

/** Keeps a moment by name; the oldest goes when there are too many. */
function remember(moments: Map<string, number>, name: string, atMs: number): void {
  moments.delete(name)
  moments.set(name, atMs)
  const [oldest] = moments.keys()
  if (moments.size > MAX_SHUNNED && oldest !== undefined) moments.delete(oldest)
}
