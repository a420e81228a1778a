import { toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { LendingError } from '../errors.ts'
import { existing } from '../storage.ts'
import { type ChannelService, leastDeposit, type OpenedChannel } from './channels.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'
import type { WarmState } from './records.ts'
import type { WalletService } from './wallet.ts'

/** What the owner lets this device put into channels by itself. */
export interface WarmLimits {
  /** Token units that wait in channels of this device, those that are being left included. */
  total: bigint
  /** Token units that wait for one lender; below half of it there is more to come. */
  perLender: bigint
  /** Channels that are not closed. */
  channels: number
  /** Addresses of lenders that get one before anything was borrowed from them. */
  lenders: readonly string[]
}

/**
 * Channels that are there before an answer needs them, within the owner's limits. Without limits it
 * does nothing. One opening at a time, all processes of the device together.
 */
export interface WarmChannels {
  /** Whether the limits allow one to this lender now. Looks at the disk alone. */
  mayOpen(known: KnownOffer): Promise<boolean>
  /**
   * Opens one to this lender, or adds to the one that is there, once no other process is doing so.
   * @returns null when it may not, or need not any more
   * @throws ClearingError, ChainError, LendingError
   */
  open(
    known: KnownOffer,
    init?: { signal?: AbortSignal | undefined },
  ): Promise<OpenedChannel | null>
  /**
   * Opens what lenders need that were borrowed from of late, or that the owner names, and asks for the
   * exit of channels to those that an audit convicted. What fails is logged, and tried again later.
   */
  tend(init?: { signal?: AbortSignal | undefined }): Promise<OpenedChannel[]>
}

/** A lender that was borrowed from within this time is used. */
const USED_MS = 7 * 24 * 3_600_000
/** A leave to open may be submitted for an hour (`Chain.authorizeOpen`); then it is worth nothing. */
const LEAVE_MS = 3_700_000
/** Longer than an opening waits for its lender: who holds the turn for longer is dead. */
const TURN_MS = 120_000
const RETRY_MS = 60_000
const POLL_MS = 200
const ROW = 'openings'
const NOTHING: WarmState = { turn: null, asked: {} }

export function createWarmChannels(
  parts: Parts,
  {
    peers,
    channels,
    wallet,
  }: { peers: PeerService; channels: ChannelService; wallet: WalletService },
): WarmChannels {
  const { tables, clock, random, log, warm: limits } = parts

  /** Token units to open with; null: none may be, or none is needed. */
  async function amountFor({ lender, offer }: KnownOffer): Promise<bigint | null> {
    const { payment } = offer
    if (limits === null || payment === null || !payment.relaysOpening) return null
    const device = toHex(lender)
    if ((await tables.standing.get(device))?.refusedBecause) return null
    const { asked } = (await tables.warm.get(ROW)) ?? NOTHING
    const now = clock.now()
    const before = asked[device]
    if (before !== undefined && now - before.atMs < RETRY_MS) return null
    const own = (await tables.channels.list())
      .map(([, record]) => record)
      .filter(({ role, status }) => role === 'payer' && status !== 'closed')
    // An opening that was asked for and never seen may still come to the chain.
    const pending = Object.entries(asked).filter(
      ([other, { atMs }]) => other !== device && now - atMs < LEAVE_MS,
    )
    const there = own.filter(({ status }) => status !== 'opening')
    const usable = there.filter((record) => record.peer === device && isUsable(record))
    const isNew = usable.length === 0
    if (isNew && there.length + pending.length >= limits.channels) return null
    const left = sum(usable)
    if (left * 2n >= limits.perLender) return null
    const asking = pending.reduce((all, [, { amount }]) => all + amount, 0n)
    const free = limits.total - sum(there) - asking
    const wanted = limits.perLender - left
    const amount = wanted < free ? wanted : free
    return amount < leastDeposit(payment) ? null : amount
  }

  /** Takes the device's one turn to open. @returns what gives it back; null when another has it */
  async function takeTurn(): Promise<(() => Promise<void>) | null> {
    const token = toHex(random(16))
    const row = await tables.warm.update(ROW, (old = NOTHING) => {
      const isFree = old.turn === null || old.turn.untilMs <= clock.now()
      return isFree ? { ...old, turn: { token, untilMs: clock.now() + TURN_MS } } : old
    })
    if (row?.turn?.token !== token) return null
    return async () => {
      await tables.warm.update(ROW, (old) =>
        old?.turn?.token === token ? { ...old, turn: null } : old,
      )
    }
  }

  async function openInTurn(known: KnownOffer): Promise<OpenedChannel | null> {
    const device = toHex(known.lender)
    // Read within the turn: nobody else of this device opens anything now.
    const amount = await amountFor(known)
    if (amount === null) return null
    const atMs = clock.now()
    await tables.warm.update(ROW, (old = NOTHING) => ({
      ...old,
      asked: { ...old.asked, [device]: { amount, atMs } },
    }))
    const there = await channels.payable(known)
    const opened = there === null ? await channels.open(known, amount) : await add(there, amount)
    await tables.warm.update(ROW, (old = NOTHING) => {
      const { [device]: _, ...asked } = old.asked
      return { ...old, asked }
    })
    log('warm.opened', { lender: device, deposit: String(opened.record.deposit) })
    return opened
  }

  async function add({ id }: ChannelRecord, amount: bigint): Promise<OpenedChannel> {
    const { transaction, fee } = await wallet.topUp({ channel: id, amount })
    return { record: existing(await tables.channels.get(id), id), transaction, fee }
  }

  async function open(
    known: KnownOffer,
    { signal, isPatient = true }: { signal?: AbortSignal | undefined; isPatient?: boolean } = {},
  ): Promise<OpenedChannel | null> {
    if ((await amountFor(known)) === null) return null
    for (;;) {
      signal?.throwIfAborted()
      const giveBack = await takeTurn()
      if (giveBack !== null) {
        try {
          return await openInTurn(known)
        } finally {
          await giveBack()
        }
      }
      if (!isPatient) return null
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve))
    }
  }

  /** Lenders that were borrowed from of late, and those that the owner names. */
  async function wanted(named: readonly string[], init: { signal?: AbortSignal | undefined }) {
    const since = clock.now() - USED_MS
    const used = new Set<string>()
    for (const [, { lender, startedAtMs }] of await tables.answers.list()) {
      if (startedAtMs >= since) used.add(lender)
    }
    for (const address of named) {
      try {
        used.add(toHex((await peers.ask(address, init)).lender))
      } catch (error) {
        init.signal?.throwIfAborted()
        log('warm.unreachable', { address, error: String(error) })
      }
    }
    if (used.size === 0) return []
    return (await peers.offers(init)).filter(({ lender }) => used.has(toHex(lender)))
  }

  async function leaveConvicted(): Promise<void> {
    for (const [id, { role, status, peer, exitDueAtMs }] of await tables.channels.list()) {
      const isDue = exitDueAtMs !== null && exitDueAtMs < clock.now()
      if (role !== 'payer' || !(status === 'open' || (status === 'exiting' && isDue))) continue
      if (!(await tables.standing.get(peer))?.refusedBecause) continue
      await channels
        .leave(id as ChannelRecord['id'])
        .catch((error) => log('warm.leave', { channel: id, error: String(error) }))
    }
  }

  async function tend(init: { signal?: AbortSignal | undefined } = {}): Promise<OpenedChannel[]> {
    if (limits === null) return []
    await leaveConvicted()
    const done: OpenedChannel[] = []
    for (const known of await wanted(limits.lenders, init)) {
      try {
        const opened = await open(known, { ...init, isPatient: false })
        if (opened !== null) done.push(opened)
      } catch (error) {
        init.signal?.throwIfAborted()
        log('warm.open', { lender: toHex(known.lender), error: String(error) })
      }
    }
    return done
  }

  return {
    mayOpen: async (known) => (await amountFor(known)) !== null,
    open: (known, init) => open(known, init),
    tend,
  }
}

/** The channel that pays a lender, opened now where the limits allow. @throws LendingError `payment` */
export async function takeChannel(
  known: KnownOffer,
  { channels, warm }: { channels: ChannelService; warm: WarmChannels },
  init: {
    signal?: AbortSignal | undefined
    onOpening?: ((opened: OpenedChannel) => void) | undefined
  },
): Promise<ChannelRecord> {
  const there = await channels.payable(known)
  if (there !== null) return there
  const opened = await warm.open(known, init)
  if (opened !== null) init.onOpening?.(opened)
  // Another process may have opened it meanwhile.
  const record = opened?.record ?? (await channels.payable(known))
  if (record !== null) return record
  throw new LendingError('payment', { what: 'this lender cannot be paid now' })
}

function isUsable({ status, isLeaving, isRecovered }: ChannelRecord): boolean {
  return status === 'open' && !isLeaving && !isRecovered
}

/** Token units that are not spent yet. */
function sum(records: readonly ChannelRecord[]): bigint {
  return records.reduce((all, { deposit, cumulative }) => {
    return cumulative < deposit ? all + deposit - cumulative : all
  }, 0n)
}
