import { type Address, getAddress, type Hex } from 'viem'
import { orAborted, withinTime } from '../abort.ts'
import { equal, from0x, to0x, toHex } from '../bytes.ts'
import type { Chain, SettlementRow } from '../clearing/chain.ts'
import { configMessage } from '../clearing/config-message.ts'
import { slotOf, wishOf } from '../clearing/order-slot.ts'
import { feeOf, type OrderFor, orderId } from '../clearing/orders.ts'
import { ClearingError, LendingError } from '../errors.ts'
import { RELAY_PROTOCOL } from '../mesh/protocols.ts'
import {
  decodeRelayReply,
  encodeRelayRequest,
  MAX_RELAY_BYTES,
  type RelayReply,
  type SignedOrder,
} from '../wire/relay-messages.ts'
import { exchange } from './exchange.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'
import type { OrderRecord } from './records.ts'
import { reserveFee, WishFees } from './relay-budget.ts'

/** A relayer may have to wait for two blocks. */
const REPLY_MS = 60_000
/** How long the chain's node may lag behind the relayer's. */
const SHOW_MS = 20_000
const LOOK_AGAIN_MS = 250
const BROKEN_MS = 24 * 3_600_000

/** What a relayer asks, before anything is signed. */
export interface RelayQuote {
  /** `open`: an EIP-3009 opening; the lender submits it, and its fee is owed on the channel. */
  kind: SignedOrder['kind'] | 'open'
  /** Its device key. */
  relayer: Uint8Array
  address: string
  /** Token units. */
  fee: bigint
  /** It asks more than its offer says, because of what gas costs now. */
  isRaised: boolean
}

export interface RelayInit {
  /** Address of the device to ask, instead of all that are known. */
  relay?: string | undefined
  /** Whether to pay it. @default what was offered, and no more */
  agree?: ((quote: RelayQuote) => boolean | Promise<boolean>) | undefined
  signal?: AbortSignal | undefined
  /** How long one relayer may take, and how long what it names may stay away from the chain. */
  replyMs?: number | undefined
  showMs?: number | undefined
}

/** An order that the chain shows. */
export interface OrderDone {
  kind: RelayQuote['kind']
  /** Token units that it cost besides gas. */
  fee: bigint
  /** Device key of who submitted it; null: this device. */
  relayer: Uint8Array | null
  /** null: it is done, in which transaction is not known. */
  transaction: Hex | null
  gasUsed: bigint | null
}

/** An order that is still to be signed for some relayer. */
export interface OrderPlan {
  kind: SignedOrder['kind']
  /** Only this device can submit it. */
  only?: Uint8Array | undefined
  /** Earnings to settle before it, if it costs this fee. */
  settleFirst?: ((fee: bigint) => Promise<SettlementRow[]>) | undefined
  /** Makes and signs it. */
  sign(terms: { relayer: Address; fee: bigint; deadline: number }): Promise<SignedOrder>
}

/** Thrown when no relayer submitted an order, as far as the chain tells. */
export class UnsubmittedError extends ClearingError {
  override name = 'UnsubmittedError'
  /** Somebody who was silent or lied has it, and may submit it until its deadline. */
  readonly mayFollow: boolean

  constructor(init: { what: string; why?: string; next?: string }, mayFollow: boolean) {
    super(init)
    this.mayFollow = mayFollow
  }
}

/**
 * How long a signed order holds: short, since whoever has it may wait until then. Out of a wallet it is
 * tied to one relayer, so that another one has to wait for its end.
 */
const ORDER_SECONDS = 600
const FUNDING_SECONDS = 180

/** Hands signed orders to devices that submit them. Believes nothing that they say. */
export interface RelayService {
  /**
   * Asks one relayer after the other, the cheapest first of those that kept their word, until the
   * chain shows the order.
   * @throws UnsubmittedError, ClearingError when nobody is known or a fee was not agreed to
   */
  hand(plan: OrderPlan, init?: RelayInit): Promise<OrderDone>
  /**
   * Looks at what was handed out and whose time is over: books what came to the chain after all, and
   * forgets the rest. @returns what can never happen any more
   */
  lookBack(): Promise<OrderRecord[]>
  /** What a relayer would be paid at least; null when nobody is known. */
  leastFee(init?: RelayInit): Promise<bigint | null>
}

export function createRelayService(parts: Parts, { peers }: { peers: PeerService }): RelayService {
  const { chain, identity, mesh, tables, clock, log } = parts

  function needs(): { chain: Chain } {
    if (chain === null || identity === null) {
      throw new ClearingError({ what: 'orders take keys and a chain' })
    }
    return { chain }
  }

  async function relayers({ relay, signal }: RelayInit): Promise<KnownOffer[]> {
    const { house, token } = needs().chain
    const all = relay ? [await peers.ask(relay, { signal })] : await peers.offers({ signal })
    const usable: KnownOffer[] = []
    for (const known of all) {
      const { payment } = known.offer
      if (!payment?.relaysOpening || payment.chainId !== house.chainId) continue
      if (!equal(payment.house, from0x(house.address))) continue
      if (!equal(payment.token, from0x(token))) continue
      if ((await tables.standing.get(toHex(known.lender)))?.refusedBecause) continue
      if (identity !== null && equal(known.lender, identity.device)) continue
      usable.push(known)
    }
    const broken = await brokenCounts()
    const count = ({ lender }: KnownOffer) => broken.get(toHex(lender)) ?? 0
    return usable.sort((a, b) => count(a) - count(b) || offeredFee(a) - offeredFee(b))
  }

  /** Whoever was silent or lied within a day is asked after the others. */
  async function brokenCounts(): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    for (const [, { handed }] of await tables.orders.list()) {
      for (const { device, isBroken, askedAtMs } of handed) {
        if (!isBroken || clock.now() - askedAtMs > BROKEN_MS) continue
        counts.set(device, (counts.get(device) ?? 0) + 1)
      }
    }
    return counts
  }

  async function noteBroken(signed: OrderFor): Promise<void> {
    const id = orderId(signed)
    await tables.orders.update(slotOf(signed), (old) => {
      if (old === undefined) return old
      const handed = old.handed.map((one) => (one.id === id ? { ...one, isBroken: true } : one))
      return { ...old, handed }
    })
  }

  async function hand(plan: OrderPlan, init: RelayInit = {}): Promise<OrderDone> {
    const found = await relayers(init)
    const asked = plan.only
      ? found.filter(({ lender }) => equal(lender, plan.only as Uint8Array))
      : found
    if (asked.length === 0) throw nobody(plan, init)
    const told: string[] = []
    let mayFollow = false
    const fees = new WishFees()
    for (const known of asked) {
      init.signal?.throwIfAborted()
      const outcome = await tryOne(known, plan, init, fees)
      if (outcome.done !== undefined) {
        await fees.close(outcome.done.fee)
        return outcome.done
      }
      told.push(outcome.why)
      mayFollow ||= outcome.mayFollow
      // Another relayer's deposit would be another deposit: both could happen.
      if (plan.kind === 'depositFromWallet') break
    }
    throw new UnsubmittedError(
      {
        what: 'nobody submitted the order',
        why: told.join('; '),
        ...(mayFollow && { next: 'Somebody who has it may still do it within ten minutes' }),
      },
      mayFollow,
    )
  }

  interface Outcome {
    done?: OrderDone
    why: string
    mayFollow: boolean
  }

  async function tryOne(
    known: KnownOffer,
    plan: OrderPlan,
    init: RelayInit,
    fees: WishFees,
  ): Promise<Outcome> {
    const { kind } = plan
    const isFree = kind === 'requestClose' || kind === 'finalizeClose'
    const base = isFree ? 0n : BigInt(offeredFee(known))
    const rows = (await plan.settleFirst?.(base)) ?? []
    let fee = rows.length > 0 ? 2n * base : base
    for (let isRaised = false; ; isRaised = true) {
      const quote = { kind, relayer: known.lender, address: known.address, fee, isRaised }
      const agrees = init.agree ?? (() => !isRaised)
      if (!(await agrees(quote))) {
        const what = `a fee of ${fee} token units was not agreed to`
        // The others are no cheaper; but who raised its fee says nothing of theirs.
        if (!isRaised) throw new ClearingError({ what })
        return { why: `${known.address}: ${what}`, mayFollow: false }
      }
      fees.add(fee, await reserveFee(parts, fee, { isAgreed: init.agree !== undefined }))
      const signed = await make(known, plan, fee).catch(async (error) => {
        await fees.drop()
        throw error
      })
      const { reply, why } = await say(known, signed, rows, init)
      const done = await lookFor(known, signed, reply, init)
      if (done !== null) return { done, why: '', mayFollow: false }
      if (reply?.kind !== 'refuse') {
        await noteBroken(signed)
        return { why, mayFollow: true }
      }
      await fees.drop()
      const { leastFee } = reply
      const isDearer = leastFee !== null && leastFee > fee
      if (isRaised || !isDearer || kind === 'depositFromWallet') return { why, mayFollow: false }
      fee = leastFee
    }
  }

  /** Signs an order for one relayer, and writes down that it is out before it leaves. */
  async function make(known: KnownOffer, plan: OrderPlan, fee: bigint): Promise<OrderFor> {
    const { chain } = needs()
    const { house } = chain
    const relayer = getAddress(to0x(known.offer.payment?.payee ?? new Uint8Array(20)))
    const now = await chain.orders.timeSeconds()
    const isFunding = plan.kind === 'depositFromWallet' || plan.kind === 'topUpFromWallet'
    const deadline = now + (isFunding ? FUNDING_SECONDS : ORDER_SECONDS)
    const order = await plan.sign({ relayer, fee, deadline })
    const signed = { house, relayer, order }
    await requireClear(chain, signed, now)
    const [slot, id] = [slotOf(signed), orderId(signed)]
    const device = toHex(known.lender)
    const handed = { id, order, relayer, device, askedAtMs: clock.now(), isBroken: false }
    await tables.orders.update(slot, (old) => ({
      slot,
      kind: order.kind,
      handed: [...(old?.handed ?? []), handed],
      ...{ isDone: false, fee: null, transaction: null },
    }))
    return signed
  }

  /** Two wishes must not both come true where one was meant. */
  async function requireClear(chain: Chain, signed: OrderFor, now: number): Promise<void> {
    const slot = slotOf(signed)
    for (const [, row] of await tables.orders.list()) {
      if (row.isDone) continue
      const open = row.handed.filter(({ order }) => 'deadline' in order && order.deadline >= now)
      const rivals = open.filter(({ order }) => excludes(order, signed.order, row.slot === slot))
      const [rival] = rivals
      if (rival === undefined) continue
      const { order, relayer } = rival
      if (await chain.orders.isDone({ house: chain.house, order, relayer })) {
        await book(row.slot, null, 0n)
        continue
      }
      const until = new Date(('deadline' in order ? order.deadline : 0) * 1_000).toISOString()
      throw new ClearingError({
        what: 'another order of yours is under way',
        why: `${order.kind} may still be submitted by whom it was handed to, until ${until}`,
      })
    }
  }

  async function say(
    { address, lender }: KnownOffer,
    { house, order }: OrderFor,
    rows: readonly SettlementRow[],
    init: RelayInit,
  ): Promise<{ reply: RelayReply | null; why: string }> {
    const settleFirst = rows.map(({ config, cumulative, signature }) => ({
      ...{ config: configMessage(config), cumulative, signature: from0x(signature) },
    }))
    const { chainId } = house
    const data = encodeRelayRequest({ chainId, house: from0x(house.address), settleFirst, order })
    try {
      const signal = withinTime(init.signal, init.replyMs ?? REPLY_MS)
      const reply = await converse(address, lender, data, signal)
      const why =
        reply.kind === 'refuse' ? reply.why : 'it says that it did, and the chain does not'
      return { reply, why: `${address}: ${why}` }
    } catch (error) {
      init.signal?.throwIfAborted()
      log('relay.silent', { address, error: String(error) })
      const why = error instanceof Error ? error.message : String(error)
      return { reply: null, why: `${address}: ${why}` }
    }
  }

  async function converse(
    address: string,
    lender: Uint8Array,
    data: Uint8Array,
    signal: AbortSignal,
  ): Promise<RelayReply> {
    if (mesh === null)
      throw new LendingError('lost', { what: 'this device runs without a network' })
    const to = { address, device: lender, protocol: RELAY_PROTOCOL }
    return decodeRelayReply(await exchange(mesh, to, data, { maxBytes: MAX_RELAY_BYTES, signal }))
  }

  /** What the chain says, whatever the relayer said. */
  async function lookFor(
    known: KnownOffer,
    signed: OrderFor,
    reply: RelayReply | null,
    init: RelayInit,
  ): Promise<OrderDone | null> {
    const { chain } = needs()
    const claimed = reply?.kind === 'submitted' ? to0x(reply.transaction) : null
    const untilMs = clock.now() + (claimed === null ? 0 : (init.showMs ?? SHOW_MS))
    while (!(await chain.orders.isDone(signed))) {
      if (clock.now() >= untilMs) return null
      await orAborted(
        new Promise<void>((next) => void clock.after(LOOK_AGAIN_MS, next)),
        init.signal,
      )
    }
    const mined = claimed === null ? null : await chain.orders.shows(claimed, signed)
    const { kind } = signed.order
    const fee = await book(slotOf(signed), mined?.hash ?? null, feeOf(signed.order))
    const [transaction, gasUsed] = [mined?.hash ?? null, mined?.gasUsed ?? null]
    return { kind, fee, relayer: known.lender, transaction, gasUsed }
  }

  /** @param fee of whoever named the transaction @returns what it cost */
  async function book(slot: string, transaction: Hex | null, fee: bigint): Promise<bigint> {
    const row = await tables.orders.update(slot, (old) => {
      if (old === undefined) return old
      const fees = old.handed.map(({ order }) => feeOf(order))
      // Which of several it was, the transaction alone tells: else it is no more than the dearest.
      const dearest = fees.reduce((most, one) => (one > most ? one : most), 0n)
      return { ...old, isDone: true, transaction, fee: transaction === null ? dearest : fee }
    })
    return row?.fee ?? fee
  }

  async function lookBack(): Promise<OrderRecord[]> {
    const { chain } = needs()
    const waiting = (await tables.orders.list()).filter(([, { isDone }]) => !isDone)
    if (waiting.length === 0) return []
    const now = await chain.orders.timeSeconds()
    const over: OrderRecord[] = []
    for (const [slot, row] of waiting) {
      const [last] = row.handed.slice(-1)
      if (last === undefined) continue
      const isOpen = row.handed.some(({ order }) => 'deadline' in order && order.deadline >= now)
      if (await chain.orders.isDone({ house: chain.house, ...last })) await book(slot, null, 0n)
      else if (!isOpen) {
        await tables.orders.update(slot, () => undefined)
        over.push(row)
      }
    }
    return over
  }

  return {
    hand,
    lookBack,
    leastFee: async (init = {}) => {
      const [cheapest] = await relayers(init)
      return cheapest === undefined ? null : BigInt(offeredFee(cheapest))
    },
  }
}

function offeredFee({ offer }: KnownOffer): number {
  return offer.payment?.relayFee ?? 0
}

/** Whether `before`, should it still be submitted, would come on top of `now` or in its place. */
function excludes(before: SignedOrder, now: SignedOrder, isSameSlot: boolean): boolean {
  if (isSameSlot) return wishOf(before) !== wishOf(now)
  const isDeposit = (order: SignedOrder) => order.kind === 'depositFromWallet'
  if (isDeposit(before) && isDeposit(now)) return true
  const isTopUp = before.kind === 'topUpFromWallet' && now.kind === 'topUpFromWallet'
  return isTopUp && equal(before.config.salt, now.config.salt)
}

function nobody({ kind, only }: OrderPlan, { relay }: RelayInit): ClearingError {
  const what = 'this account has no native coin, so somebody else must submit it'
  if (only) {
    return new ClearingError({
      what,
      why: 'only the lender of the channel can, and it is not reachable or does not',
      next: 'Put tokens into the ledger first, or ask it with freehold offers ADDRESS',
    })
  }
  return new ClearingError({
    what,
    why: relay ? `the device at ${relay} does not` : `no known lender does, for ${kind}`,
    next: relay
      ? 'Name another one with --relay'
      : 'Meet one with freehold offers ADDRESS, or name one with --relay',
  })
}
