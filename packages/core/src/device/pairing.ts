import { withinTime } from '../abort.ts'
import { equal, toHex } from '../bytes.ts'
import { FreeholdError, IdentityError, LendingError, UsageError } from '../errors.ts'
import { isCertified } from '../identity/is-certified.ts'
import {
  createPairCode,
  type PairParties,
  pairCommit,
  pairProof,
  pairWords,
  readPairCode,
} from '../identity/pair-words.ts'
import { peerName } from '../identity/peer-name.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import { PAIR_PROTOCOL } from '../mesh/protocols.ts'
import type { Certificate } from '../wire/certificate.ts'
import {
  MAX_PAIR_ADDRESS_LENGTH,
  MAX_PAIR_ADDRESSES,
  MAX_PAIR_BYTES,
  type PairedAs,
} from '../wire/pair-messages.ts'
import type { PairBook } from './pair-book.ts'
import { fromOutside, makePairLink } from './pair-link.ts'
import { createPairTalk, type PairTalk } from './pair-talk.ts'
import type { Parts } from './parts.ts'

/** Two devices whose people agreed. */
export interface Paired {
  /** The other device's key, hex. */
  device: string
  name: string
  as: PairedAs
  /** Whether the other device said that it keeps it too; false: this one does, and the other left before it said so. */
  isMutual: boolean
}

/** What a person is asked before anything is kept. */
export interface PairQuestion {
  /** The other device's key, hex. */
  device: string
  as: PairedAs
  /** The same on both devices, unless somebody is in between. */
  words: string[]
}

interface PairInit {
  as: PairedAs
  /** What the person calls the other device; it is not sent. */
  name: string
  /** Whether the person sees the same words on the other device. */
  confirm(question: PairQuestion, init: { signal: AbortSignal }): Promise<boolean>
  /** Called at the point of no return, before this side says so to the other. */
  keep?: ((paired: Paired) => Promise<void>) | undefined
  /** @default 2 minutes, from the code to the end */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

export interface ShowInit extends PairInit {
  /** Signs that a device is the owner's: the phrase stays where it is. Needed for `own`. */
  certify?: ((device: Uint8Array, index: number) => Promise<Certificate>) | undefined
  /** Where this device stays reachable: what is listened on for a pairing may end with it. @default nowhere */
  staysAt?: (() => Promise<readonly string[]>) | undefined
}

export interface JoinInit extends PairInit {
  code: string
  /** Where to look for the device that shows the code. */
  addresses: readonly string[]
}

/** A code that waits for its one use. */
export interface ShownCode {
  code: string
  link: string
  /** @throws IdentityError when it did not come to a pairing: nothing is kept here then */
  paired: Promise<Paired>
}

/** Makes two devices known to each other by their keys, when both people say so. */
export interface PairingService {
  /** Shows a code and waits. @throws UsageError while another is shown */
  show(init: ShowInit): Promise<ShownCode>
  /**
   * Uses a code that another device shows. What is kept once is not thrown for: see `isMutual`.
   * @throws IdentityError, LendingError: nothing is kept then
   */
  join(init: JoinInit): Promise<Paired>
}

const PAIR_MS = 120_000
/** A stranger gets so long to show that it knows the code, and so many may try at once. */
const PROVE_MS = 10_000
const MAX_GUESTS = 4
/** How long the guest waits to hear that the host keeps it too, and the host for the guest to have heard. */
const CONFIRM_MS = 10_000
const LAST_WORD_MS = 2_000

type Guest = (talk: PairTalk, device: Uint8Array) => Promise<void>

export function createPairingService(parts: Parts, { book }: { book: PairBook }): PairingService {
  const { random, clock, tables, log } = parts
  let host: Guest | null = null
  let isServed = false
  let guests = 0

  function needs() {
    const { mesh, identity } = parts
    if (mesh !== null && identity !== null) return { mesh, identity }
    throw new IdentityError({ what: 'pairing needs keys and a network' })
  }

  async function serve(): Promise<void> {
    if (isServed) return
    isServed = true
    await needs().mesh.handle(PAIR_PROTOCOL, async (stream, peer) => {
      const talk = createPairTalk(messagesOver(stream, MAX_PAIR_BYTES))
      if (host === null || guests >= MAX_GUESTS) return talk.refuse('no code is shown here now')
      guests++
      try {
        await host(talk, peer)
      } finally {
        guests--
      }
    })
  }

  async function show(init: ShowInit): Promise<ShownCode> {
    const { mesh, identity } = needs()
    const { as, name, certify } = init
    if (host !== null) throw new UsageError({ what: 'a code is shown already' })
    if (as === 'own' && certify === undefined) {
      throw new IdentityError({
        what: 'this device cannot say whose another one is',
        why: 'the phrase of its owner is on another device',
        next: 'Show the code there',
      })
    }
    const code = createPairCode(random)
    const timeoutMs = init.timeoutMs ?? PAIR_MS
    const signal = withinTime(init.signal, timeoutMs)
    const { promise: paired, resolve, reject } = Promise.withResolvers<Paired>()
    const end = (settle: () => void) => {
      host = null
      signal.removeEventListener('abort', late)
      settle()
    }
    const late = () => end(() => reject(endOf(signal.reason)))
    signal.addEventListener('abort', late)
    let isTaken = false

    host = async (talk, peer) => {
      const parties: PairParties = { host: identity.device, guest: peer, as }
      const proving = withinTime(signal, PROVE_MS)
      const hello = await talk.next('hello', proving)
      if (hello.as !== as) return talk.refuse(`this code is for pairing as ${as}`)
      const nonce = random(32)
      const commit = pairCommit(parties, nonce)
      await talk.send({ kind: 'commit', commit })
      const prove = await talk.next('prove', proving)
      // Between here and the next line nothing waits: the first to prove takes the code with it.
      if (isTaken || signal.aborted) return talk.refuse('the code was used already')
      isTaken = true
      try {
        if (!equal(prove.proof, pairProof(code, parties, commit, prove.nonce))) {
          await talk.refuse('this is not the code')
          throw new IdentityError({
            what: 'a wrong code was used, so this one is void',
            why: 'a code is good for one try',
            next: 'Show a new one. If nobody mistyped it, somebody else can reach this device',
          })
        }
        await talk.send({ kind: 'reveal', nonce })
        const question = { device: toHex(peer), as, words: pairWords(parties, nonce, prove.nonce) }
        await talk.agree((stop) => init.confirm(question, { signal: stop }), signal)
        const index = as === 'own' ? await book.nextIndex() : null
        const certificate = index === null ? null : ((await certify?.(peer, index)) ?? null)
        await talk.send({ kind: 'grant', certificate, addresses: await lastingOf(init) })
        await talk.next('done', signal).catch((error) => {
          throw notHeard(error)
        })
        const done = { device: toHex(peer), name, as, isMutual: true }
        await keep(done, index, init)
        // It kept it before it said so. That it hears of this side is for its person to know.
        await talk.send({ kind: 'done' }).catch(() => {})
        await talk.ended(withinTime(signal, LAST_WORD_MS)).catch(() => {})
        end(() => resolve(done))
      } catch (error) {
        end(() => reject(endOf(error)))
        throw error
      }
    }
    await serve()
    const link = makePairLink({ code, as, addresses: fromOutside(mesh.addresses()) })
    return { code, link, paired }
  }

  async function join(init: JoinInit): Promise<Paired> {
    needs()
    const code = readPairCode(init.code)
    const signal = withinTime(init.signal, init.timeoutMs ?? PAIR_MS)
    if (init.as === 'own' && (await tables.membership.list()).length > 0) {
      throw new IdentityError({
        what: 'this device belongs to another device’s owner already',
        next: 'See freehold pair --list, and remove that one first',
      })
    }
    let lost: unknown = new LendingError('lost', {
      what: 'the device that shows the code was not found',
      next: 'Use its link, or name its address with --at',
    })
    for (const address of init.addresses) {
      const opened = await open(address, signal).catch((error) => {
        if (signal.aborted) throw endOf(error)
        lost = error
        return null
      })
      if (opened !== null) return greet(opened, address, { ...init, code }, signal)
    }
    throw lost
  }

  /** A talk with whoever listens there and pairs; others are passed over before a code is shown to them. */
  async function open(address: string, signal: AbortSignal) {
    const { stream, peer } = await needs().mesh.open(address, PAIR_PROTOCOL, { signal })
    return { talk: createPairTalk(messagesOver(stream, MAX_PAIR_BYTES)), peer }
  }

  async function greet(
    { talk, peer }: { talk: PairTalk; peer: Uint8Array },
    address: string,
    init: JoinInit,
    signal: AbortSignal,
  ): Promise<Paired> {
    const { identity } = needs()
    const { as, name, code } = init
    const parties: PairParties = { host: peer, guest: identity.device, as }
    try {
      await talk.send({ kind: 'hello', as })
      const { commit } = await talk.next('commit', signal)
      const nonce = random(32)
      await talk.send({ kind: 'prove', nonce, proof: pairProof(code, parties, commit, nonce) })
      const { nonce: theirs } = await talk.next('reveal', signal)
      if (!equal(pairCommit(parties, theirs), commit)) {
        throw new LendingError('protocol', { what: 'the other device changed its mind in between' })
      }
      const question = { device: toHex(peer), as, words: pairWords(parties, theirs, nonce) }
      await talk.agree((stop) => init.confirm(question, { signal: stop }), signal)
      const { certificate, addresses } = await talk.next('grant', signal)
      const done = { device: toHex(peer), name, as, isMutual: false }
      if (as === 'own') await takeUp(certificate, done.device)
      // Others' addresses are not for it to name.
      const own = addresses.filter((one) => one.endsWith(`/p2p/${peerName(peer)}`))
      await remember(done.device, own.length > 0 ? own : [address])
      await book.doubt(done.device, { sinceMs: clock.now() })
      await keep(done, null, init)
      // From here on nothing takes it back; what is left to learn is whether the other side has it too.
      try {
        await talk.send({ kind: 'done' })
        await talk.next('done', withinTime(signal, CONFIRM_MS))
        await book.doubt(done.device, null)
        await talk.close()
        return { ...done, isMutual: true }
      } catch (error) {
        talk.abort(error as Error)
        log('pair.one-sided', { error: String(error) })
        return done
      }
    } catch (error) {
      talk.abort(error as Error)
      log('pair.ended', { error: String(error) })
      throw endOf(error)
    }
  }

  async function takeUp(certificate: Certificate | null, by: string): Promise<void> {
    const { device } = needs().identity
    const isMine = certificate !== null && equal(certificate.device, device)
    if (!isMine || !(await isCertified(certificate))) {
      throw new LendingError('protocol', {
        what: 'the certificate of the other device does not hold',
      })
    }
    await book.join({ certificate, by })
  }

  async function keep(done: Paired, index: number | null, init: PairInit): Promise<void> {
    const { device, name, as } = done
    const record = { device, name, pairedAtMs: clock.now(), index, isRemoved: false }
    if (as === 'own') await book.add(record)
    if (done.isMutual) await book.doubt(device, null)
    await init.keep?.(done)
  }

  async function remember(device: string, addresses: readonly string[]): Promise<void> {
    await tables.peers.update(device, (old) => ({
      offer: null,
      ...old,
      device,
      addresses: [...new Set([...addresses, ...(old?.addresses ?? [])])].slice(0, 16),
      seenAtMs: clock.now(),
    }))
  }

  return { show, join }
}

/** Those that others can dial come first: a message holds a few. */
async function lastingOf({ staysAt }: ShowInit): Promise<string[]> {
  const found = staysAt === undefined ? [] : await staysAt()
  const short = found.filter(({ length }) => length <= MAX_PAIR_ADDRESS_LENGTH)
  return fromOutside(short).slice(0, MAX_PAIR_ADDRESSES)
}

/** The other device had all that it needs, and may have kept it. */
function notHeard(cause: unknown): IdentityError {
  return new IdentityError({
    what: 'the other device left before it said that it keeps the pairing',
    why: 'so nothing was kept here, and perhaps something there',
    next: 'Pair the two again, or undo it there: freehold pair --list, freehold pair --remove NAME',
    cause,
  })
}

/** What a person reads when it did not come to a pairing. */
function endOf(error: unknown): unknown {
  if (error instanceof FreeholdError) return error
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return new IdentityError({
      what: 'the two devices were not paired in time',
      why: 'a code is good for two minutes',
      next: 'Show a new one',
    })
  }
  return error
}
