import type { Hex } from 'viem'
import { isAddressEqual } from 'viem'
import { equal, from0x, to0x, toHex } from '../bytes.ts'
import type { Chain, SettlementRow } from '../clearing/chain.ts'
import { readConfig } from '../clearing/config-message.ts'
import { seeChannel } from '../clearing/keeper.ts'
import {
  accountOf,
  channelOf,
  feeOf,
  type OrderFor,
  orderId,
  requireSigned,
} from '../clearing/orders.ts'
import { ClearingError, FreeholdError } from '../errors.ts'
import { plainText } from '../lending/duplex.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import { existing } from '../storage.ts'
import type { OfferedPayment } from '../wire/offer.ts'
import {
  decodeRelayRequest,
  encodeRelayReply,
  type RelayReply,
  type RelayRequest,
} from '../wire/relay-messages.ts'
import type { Parts } from './parts.ts'
import type { RelayedRecord } from './records.ts'
import { createRelayLimit, FREE_ORDERS, PAID_ORDERS } from './relay-limit.ts'

/** Gas of the dearest order, with eight settlements before it, twice. */
const MAX_GAS = 600_000n

/** An order that holds for longer would have to be remembered for longer. */
const LONGEST_SECONDS = 24 * 3_600

const WEI_PER_COIN = 10n ** 18n

/** Submits what others signed. */
export interface RelayDesk {
  /** Answers one stream. */
  serve(messages: MessageStream, peer: Uint8Array, payment: OfferedPayment | null): Promise<void>
  /** What it says to one request. */
  answer(
    request: RelayRequest,
    peer: Uint8Array,
    payment: OfferedPayment | null,
  ): Promise<RelayReply>
}

export interface RelayDeskInit {
  /** Token units that one native coin is worth to this device; null: the offered fee covers any gas. */
  unitsPerCoin: bigint | null
  /** Called when an order of somebody else is in a block. */
  onRelay?: ((relayed: RelayedRecord) => void) | undefined
}

/** Too little for the work: says what it would take. */
class FeeTooLow extends ClearingError {
  readonly leastFee: bigint

  constructor(leastFee: bigint, why: string) {
    super({ what: `the fee is too low`, why })
    this.leastFee = leastFee
  }
}

export function createRelayDesk(init: RelayDeskInit, parts: RelayDeskComponents): RelayDesk {
  const { chain, tables, clock, log, deadlines } = parts
  const paid = createRelayLimit(PAID_ORDERS, clock)
  const free = createRelayLimit(FREE_ORDERS, clock)
  const underWay = new Map<string, Promise<RelayReply>>()
  /** Accounts of which one is being submitted: of two that spend the same money, one would revert. */
  const busy = new Set<string>()

  async function answer(
    { chainId, house: at, settleFirst, order }: RelayRequest,
    peer: Uint8Array,
    payment: OfferedPayment | null,
  ): Promise<RelayReply> {
    const device = toHex(peer)
    try {
      if (chain === null || payment === null || !payment.relaysOpening) {
        return refuse('this device submits nothing for others')
      }
      const { house } = chain
      if (chainId !== house.chainId || !equal(at, from0x(house.address))) {
        refuse('it is for another chain or contract')
      }
      const signed = { house, relayer: to0x(payment.payee), order }
      const id = orderId(signed)
      // Only who has the signature too: nobody's false copy speaks for the true one.
      const name = `${id} ${'signature' in order ? toHex(order.signature) : ''}`
      const running = underWay.get(name)
      if (running !== undefined) return await running
      const rows = settleFirst.map(({ config, cumulative, signature }) => ({
        ...{ config: readConfig(config), cumulative, signature: to0x(signature) },
      }))
      const work = relay(chain, { id, signed, rows, device, payment })
      underWay.set(name, work)
      work.catch(() => {}).finally(() => underWay.delete(name))
      return await work
    } catch (error) {
      log('relay.refused', { device, kind: order.kind, error: String(error) })
      const why = error instanceof FreeholdError ? error.message : 'it failed here'
      const leastFee = error instanceof FeeTooLow ? error.leastFee : null
      return { kind: 'refuse', why: plainText(why), leastFee }
    }
  }

  async function relay(chain: Chain, work: Work): Promise<RelayReply> {
    const { id, signed, rows, device, payment } = work
    const known = await tables.relayed.get(id)
    // It was submitted, and whoever asks again has not heard of it.
    if (known?.transaction) return submitted(known.transaction)
    const { order } = signed
    const isFree = isFreeOrder(signed)
    if (isFree && rows.length > 0) refuse('nothing is settled for an exit')
    const times = rows.length > 0 ? 2n : 1n
    const offered = isFree ? 0n : times * BigInt(payment.relayFee)
    if (feeOf(order) < offered) throw new FeeTooLow(offered, `it takes ${offered} or more`)
    if (!isFree && offered === 0n && init.unitsPerCoin === null) await requireBorrower(device)
    const undo = (isFree ? free : paid).take(device)
    let release = () => {}
    try {
      await requireSigned(signed)
      release = reserve(accountOf(order))
      await check(chain, work, offered)
      if (known !== undefined) await requireUnsent(chain, work)
    } catch (error) {
      // Nothing was sent, so nothing was spent.
      undo()
      release()
      throw error
    }
    try {
      return submitted(await submit(chain, work))
    } finally {
      release()
    }
  }

  function reserve(account: string): () => void {
    if (busy.has(account)) refuse('another order of this account is being submitted')
    busy.add(account)
    return () => busy.delete(account)
  }

  /** Writes it down before it is sent; and once, though a key can sign the same order in many ways. */
  async function claim({ id, signed: { order }, device }: Work): Promise<void> {
    const account = accountOf(order)
    let isFirst = false
    await tables.relayed.update(id, (old) => {
      isFirst = old === undefined
      if (!isFirst) return old
      const about = { id, kind: order.kind, device, account, fee: feeOf(order) }
      const nothing = { transaction: null, gasUsed: 0n, feeWei: 0n }
      return { ...about, ...nothing, startedAtMs: clock.now() }
    })
    if (!isFirst) refuse('it is being submitted')
  }

  /** Whoever asks nothing would move anybody's dust at its own cost. */
  async function requireBorrower(device: string): Promise<void> {
    const records = (await tables.channels.list()).map(([, record]) => record)
    const isOurs = records.some(
      ({ role, peer, status }) => role === 'payee' && peer === device && status === 'open',
    )
    if (!isOurs) refuse('this relayer asks no fee, and serves its own borrowers alone')
  }

  /** All that can be known before gas is spent. */
  async function check(chain: Chain, work: Work, offered: bigint): Promise<void> {
    const { signed, rows, payment } = work
    const { order } = signed
    const account = accountOf(order)
    if (rows.some(({ config }) => !isAddressEqual(config.payee, account))) {
      refuse('what is to be settled pays somebody else')
    }
    if ('deadline' in order) {
      const now = await chain.orders.timeSeconds()
      if (order.deadline <= now) refuse('it is expired')
      if (order.deadline > now + LONGEST_SECONDS) refuse('its deadline is more than a day off')
    }
    if (order.kind === 'topUpFromWallet') await requireOurDebtor(work)
    const gas = await chain.orders.simulate(signed, rows)
    if (gas > MAX_GAS) refuse(`it would take ${gas} gas`)
    const wei = gas * (await chain.orders.weiPerGas())
    const { native } = await chain.balances(to0x(payment.payee))
    if (native < wei) refuse('this relayer has too little native coin itself')
    if (init.unitsPerCoin === null || isFreeOrder(signed)) return
    const cost = (wei * init.unitsPerCoin + WEI_PER_COIN - 1n) / WEI_PER_COIN
    const least = cost > offered ? cost : offered
    if (feeOf(order) < least) {
      throw new FeeTooLow(least, `gas costs ${cost} token units at this moment`)
    }
  }

  /** A process that died may have sent it: what it sent may still be on its way. */
  async function requireUnsent(chain: Chain, { signed }: Work): Promise<never> {
    if (await chain.orders.isDone(signed)) refuse('it was submitted before, and is on the chain')
    return refuse('it was sent before, and is not on the chain yet')
  }

  /** The fee of such a top-up is owed on the channel, so only its payee can be asked. */
  async function requireOurDebtor({ signed, device, payment }: Work): Promise<void> {
    const { house, order } = signed
    const id = channelOf(house, order)
    const record = id === null ? undefined : await tables.channels.get(id)
    if (record?.role !== 'payee' || record.peer !== device || record.status !== 'open') {
      refuse('only the payee of an open channel submits its top-up')
    }
    const least = 10n * BigInt(payment.relayFee)
    if ('amount' in order && order.amount < least) refuse(`a top-up takes ${least} or more`)
  }

  async function submit(chain: Chain, work: Work): Promise<Hex> {
    const { id, signed, rows } = work
    await claim(work)
    try {
      const settled = rows.length === 0 ? null : await chain.settleMany(rows)
      const { hash, gasUsed, feeWei } = await chain.orders.submit(signed)
      const record = await tables.relayed.update(id, (old) => ({
        ...existing(old, id),
        transaction: hash,
        gasUsed: gasUsed + (settled?.gasUsed ?? 0n),
        feeWei: feeWei + (settled?.feeWei ?? 0n),
      }))
      await look(chain, signed)
      if (record !== undefined) init.onRelay?.(record)
      return hash
    } catch (error) {
      // What the contract refuses is not under way; what became of anything else, nobody knows.
      if (error instanceof ClearingError) await tables.relayed.update(id, () => undefined)
      throw error
    }
  }

  /** Books what an order changed on a channel of our own. */
  async function look(chain: Chain, { house, order }: OrderFor): Promise<void> {
    const id = channelOf(house, order)
    if (id === null || (await tables.channels.get(id)) === undefined) return
    const debt = order.kind === 'topUpFromWallet' ? order.fee : 0n
    // The fee first: the money is there already, and this process may end.
    await tables.channels.update(id, (old) => old && { ...old, relayFee: old.relayFee + debt })
    const seen = await chain.channel(id)
    await tables.channels.update(id, (old) => old && seeChannel(old, seen, clock.now()))
  }

  return {
    answer,
    serve: async (messages, peer, payment) => {
      const data = await messages.read({ signal: AbortSignal.timeout(deadlines.handshakeMs) })
      if (data === null) return
      const reply = await answer(decodeRelayRequest(data), peer, payment)
      await messages.write(encodeRelayReply(reply))
      await messages.close()
    },
  }
}

type RelayDeskComponents = Pick<Parts, 'chain' | 'tables' | 'clock' | 'log' | 'deadlines'>

/** One order on its way. */
interface Work {
  id: Hex
  signed: OrderFor
  rows: readonly SettlementRow[]
  device: string
  payment: OfferedPayment
}

function isFreeOrder({ order }: Pick<OrderFor, 'order'>): boolean {
  return !('fee' in order)
}

function submitted(hash: Hex): RelayReply {
  return { kind: 'submitted', transaction: from0x(hash) }
}

function refuse(why: string): never {
  throw new ClearingError({ what: 'the order is not submitted', why })
}
