/** What the tests of both sides of an answer share: keys, meters, a clock and ends to talk through. */
import { from0x, fromHex, to0x, toHex } from '../bytes.ts'
import { type ChannelRecord, createChannelRecord } from '../clearing/channel.ts'
import { openAnswerPayee } from '../clearing/payee.ts'
import { openAnswerPayer } from '../clearing/payer.ts'
import type { Model } from '../engine/engine.ts'
import { createToyModel, TOY_INFO, type ToyModelInit } from '../engine/toy-model.fixture.ts'
import { deriveIdentity } from '../identity/identity.ts'
import type { Clock } from '../platform.ts'
import { systemRandom } from '../platform.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { Table } from '../storage.ts'
import type { Frame, FrameKind, FrameOf } from '../wire/frames.ts'
import type { Prices } from '../wire/offer.ts'
import type { Borrowed, BorrowInit } from './borrow-terms.ts'
import { borrowAnswer, greetLender } from './borrower.ts'
import type { Deadlines } from './deadlines.ts'
import type { FrameDuplex } from './duplex.ts'
import { createDuplexPair, type RawEnd } from './duplex-pair.ts'
import { lendAnswer } from './lender.ts'
import type { Admission, LentAnswer } from './lent-answer.ts'

const PHRASE = 'test test test test test test test test test test test junk'
export const borrower = await deriveIdentity(PHRASE, 0)
/** Of another owner: own devices would owe each other nothing. */
export const lender = await deriveIdentity(
  'legal winner thank year wave sausage worth useful legal winner thank yellow',
  0,
)

/** Each wait has a length of its own, so that a test can tell which one is armed. */
export const DEADLINES: Deadlines = {
  // Without signs of life, but where a test is about them.
  connectMs: 5_000,
  silenceMs: Number.POSITIVE_INFINITY,
  beatMs: Number.POSITIVE_INFINITY,
  firstTokenMs: 1_000,
  stallMs: 2_001,
  totalMs: 60_000,
  handshakeMs: 3_000,
  readyMs: 3_001,
  voucherMs: 4_000,
  chunkMs: 4_000,
  hedgeMs: 1_001,
}
export const HOLD_BACK_MS = 5_000
export const PRICES: Prices = { prompt: 200_000, cached: 20_000, output: 1_000_000 }
export const HOUSE = { chainId: 31_337, address: to0x(new Uint8Array(20).fill(7)) }
const CONFIG = {
  payer: borrower.wallet.address,
  signer: borrower.voucherSigner.address,
  payee: lender.wallet.address,
  delay: 172_800,
  flags: 0,
  salt: to0x(new Uint8Array(32)),
}
export const CHANNEL = to0x(new Uint8Array(32).fill(3))

/** Time that moves only by hand. */
export interface HandClock extends Clock {
  /** Lets `ms` pass: what is due is called in order. */
  pass(ms: number): void
  /** Resolves when somebody waits for exactly `ms`. */
  armed(ms: number): Promise<void>
  /** Resolves when somebody has begun to wait for `ms` once more. */
  next(ms: number): Promise<void>
  /** How many waits are armed. */
  waits(): number
}

/** Waits that pass by themselves: they only let other things go first. */
const SHORT_MS = 10

export function createHandClock(): HandClock {
  let now = 1_700_000_000_000
  const timers = new Set<{ ms: number; at: number; fn: () => void }>()
  const watchers = new Set<{ ms: number; resolve: () => void }>()
  return {
    now: () => now,
    after: (ms, fn) => {
      if (ms <= SHORT_MS) {
        const soon = setTimeout(fn)
        return () => clearTimeout(soon)
      }
      const timer = { ms, at: now + ms, fn }
      timers.add(timer)
      for (const watcher of watchers) if (watcher.ms === ms) watcher.resolve()
      return () => timers.delete(timer)
    },
    pass: (ms) => {
      const until = now + ms
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        timers.delete(next)
        now = Math.max(now, next.at)
        next.fn()
      }
      now = until
    },
    armed: async (ms) => {
      if ([...timers].some((timer) => timer.ms === ms)) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const watcher = { ms, resolve }
      watchers.add(watcher)
      await promise
      watchers.delete(watcher)
    },
    next: async (ms) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const watcher = { ms, resolve }
      watchers.add(watcher)
      await promise
      watchers.delete(watcher)
    },
    waits: () => timers.size,
  }
}

export interface FixtureInit extends ToyModelInit {
  /** null: free. */
  windowTokens?: number | null | undefined
  promptIds?: readonly number[] | undefined
  maxTokens?: number | undefined
  deposit?: bigint | undefined
  promptCapTokens?: number | undefined
  /** Of the lender. */
  deadlines?: Deadlines | undefined
  /** Changes what the lender grants or refuses. */
  /** Breaks off what the lender does. */
  yields?: AbortSignal | undefined
  admit?: ((admission: Admission, open: FrameOf<'open'>) => Admission) | undefined
}

/** Two devices with one channel between them. */
export function createFixture(init: FixtureInit = {}) {
  const { windowTokens = 64, promptIds = [5, 6, 7], maxTokens = 40, deposit = 1_000_000n } = init
  const clock = createHandClock()
  const model: Model = createToyModel(init)
  const reqId = systemRandom(16)
  const id = toHex(reqId)
  const base = { id: CHANNEL, house: HOUSE, token: HOUSE.address, config: CONFIG, deposit } as const
  const table = (role: 'payer' | 'payee', peer: Uint8Array) => {
    const channels: Table<ChannelRecord> = createMemoryStorage().table('channels')
    const record = createChannelRecord({ ...base, role, peer: toHex(peer), status: 'open' })
    return { channels, ready: channels.put(CHANNEL, record) }
  }
  const paying = table('payer', lender.device)
  const earning = table('payee', borrower.device)
  const shown: number[] = []
  const generated: number[] = []
  const log = () => {}
  const places = new Set<symbol>()

  const open: BorrowInit['open'] = {
    offerHash: new Uint8Array(32).fill(1),
    modelId: fromHex(TOY_INFO.modelId),
    reqId,
    channelId: windowTokens === null ? null : from0x(CHANNEL),
    scope: 'market',
  }
  const request: BorrowInit['request'] = {
    promptIds: [...promptIds],
    templateHash: new Uint8Array(32).fill(2),
    sampler: { id: 'gumbel-sha256/1', temperatureMilli: 1_000 },
    maxTokens,
    stopIds: [],
  }
  const borrowInit: BorrowInit = {
    lender: lender.device,
    open,
    request,
    vocabSize: TOY_INFO.vocabSize,
    endIds: TOY_INFO.endIds,
    profile: TOY_INFO.profile,
    payment:
      windowTokens === null
        ? null
        : {
            windowTokens,
            holdBackMs: HOLD_BACK_MS,
            openPayer: () =>
              openAnswerPayer(paying.channels, borrower.voucherSigner, CHANNEL, {
                reqId,
                prices: PRICES,
                promptTokens: promptIds.length,
                maxTokens,
                startedAtMs: clock.now(),
              }),
          },
    deadlines: DEADLINES,
    onTokens: (ids) => shown.push(...ids),
  }
  const admission = (channelId: Uint8Array | null, place: symbol): Admission => ({
    model: {
      ...model,
      openSequence: async (sequenceInit) => watch(await model.openSequence(sequenceInit)),
    },
    offered: {
      modelId: open.modelId,
      manifestHash: new Uint8Array(32),
      templateHash: request.templateHash,
      name: 'toy',
      contextTokens: TOY_INFO.contextTokens,
      vocabSize: TOY_INFO.vocabSize,
      profile: TOY_INFO.profile,
    },
    payment:
      windowTokens === null || channelId === null
        ? null
        : {
            windowTokens,
            promptCapTokens: init.promptCapTokens ?? 1_024,
            holdBackMs: HOLD_BACK_MS,
            channelId,
            openPayee: (asked, promptTokens, most) =>
              openAnswerPayee(earning.channels, CHANNEL, {
                reqId: asked,
                prices: PRICES,
                promptTokens,
                maxTokens: most,
                startedAtMs: clock.now(),
              }),
          },
    release: () => {
      places.delete(place)
    },
  })
  const watch: <T extends { step(id: number, init?: object): Promise<unknown> }>(sequence: T) => T =
    (sequence) => ({
      ...sequence,
      step: (token: number, stepInit?: object) => {
        generated.push(token)
        return sequence.step(token, stepInit)
      },
    })

  return {
    clock,
    model,
    reqId,
    id,
    open,
    request,
    shown,
    /** Tokens that went through the engine after the prompt. */
    generated,
    /** Answers that hold a place at the engine. */
    places: () => places.size,
    borrow: async (duplex: FrameDuplex, changes: Partial<BorrowInit> = {}): Promise<Borrowed> => {
      await Promise.all([paying.ready, earning.ready])
      const components = { clock, random: systemRandom, log }
      const terms = { ...borrowInit, ...changes }
      return borrowAnswer(await greetLender(duplex, terms, components), terms, components)
    },
    lend: async (duplex: FrameDuplex, signal?: AbortSignal): Promise<LentAnswer> => {
      await Promise.all([paying.ready, earning.ready])
      const components = {
        clock,
        random: systemRandom,
        log,
        sign: (hash: Uint8Array) => lender.sign(hash),
        admit: async (asked: BorrowInit['open']) => {
          const place = Symbol('place')
          const granted = admission(asked.channelId, place)
          const changed = init.admit?.(granted, { kind: 'open', ...asked }) ?? granted
          places.add(place)
          return changed
        },
      }
      const { deadlines = DEADLINES } = init
      return lendAnswer(duplex, { deadlines, signal, yields: init.yields }, components)
    },
    payerChannel: async () => (await paying.channels.get(CHANNEL)) as ChannelRecord,
    payeeChannel: async () => (await earning.channels.get(CHANNEL)) as ChannelRecord,
    paying: paying.channels,
    earning: earning.channels,
  }
}

export type Fixture = ReturnType<typeof createFixture>

/** One end of a stream in the hands of a test. */
export interface Hand extends RawEnd {
  readonly duplex: FrameDuplex
  say(frame: Frame): Promise<void>
  /** The next frame of this kind; others are passed over. @throws when the other side hangs up */
  hear<K extends FrameKind>(kind: K): Promise<FrameOf<K>>
  /** All frames until the other side hangs up. */
  rest(): Promise<Frame[]>
}

/** @returns the end for the device under test, and the hand on the other one */
export function createHand(): [FrameDuplex, Hand] {
  const [theirs, ours] = createDuplexPair()
  const hand: Hand = {
    duplex: ours,
    sendRaw: (data) => ours.sendRaw(data),
    say: (frame) => ours.send(frame),
    hear: async <K extends FrameKind>(kind: K) => {
      for (;;) {
        const frame = await ours.receive()
        if (frame === null) throw new Error(`hung up instead of ${kind}`)
        if (frame.kind === kind) return frame as FrameOf<K>
      }
    },
    rest: async () => {
      const frames: Frame[] = []
      for (;;) {
        const frame = await ours.receive().catch(() => null)
        if (frame === null) return frames
        frames.push(frame)
      }
    },
  }
  return [theirs, hand]
}
