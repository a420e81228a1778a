import type { Hex } from 'viem'
import { getAddress, isAddressEqual } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { withinTime } from '../abort.ts'
import { equal, from0x, fromHex, to0x, toHex } from '../bytes.ts'
import type { Reservation } from '../clearing/budget.ts'
import { NAME_A_CHAIN, type OpenAuthorization } from '../clearing/chain.ts'
import { type ChannelRecord, createChannelRecord } from '../clearing/channel.ts'
import { configMessage, readConfig } from '../clearing/config-message.ts'
import { seeChannel } from '../clearing/keeper.ts'
import { noteDelivered, paidAmount, rawCost } from '../clearing/meter.ts'
import { acceptAmount, acceptVoucher } from '../clearing/payee.ts'
import { MAY_SET_OFF } from '../clearing/rings.ts'
import { type ChannelConfig, channelIdOf } from '../clearing/typed-data.ts'
import { checkVoucher, settleable, signVoucher } from '../clearing/voucher.ts'
import { ChainError, ClearingError, FreeholdError, LendingError } from '../errors.ts'
import { plainText } from '../lending/duplex.ts'
import type { messagesOver } from '../mesh/frames-over-stream.ts'
import { CHANNEL_PROTOCOL } from '../mesh/protocols.ts'
import { existing } from '../storage.ts'
import {
  type ChannelReply,
  type ChannelRequest,
  type ConfigMessage,
  decodeChannelReply,
  decodeChannelRequest,
  encodeChannelReply,
  encodeChannelRequest,
} from '../wire/channel-messages.ts'
import type { VoucherFrame } from '../wire/frames.ts'
import type { OfferedPayment } from '../wire/offer.ts'
import { exchange } from './exchange.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer } from './peers.ts'
import { reserveFee } from './relay-budget.ts'
import { createRelayLimit, OPENINGS } from './relay-limit.ts'
import type { OrderDone, RelayInit } from './relaying.ts'
import type { WalletService } from './wallet.ts'

const MAX_MESSAGE_BYTES = 4_096
const REQUEST_MS = 10_000
/** A lender may have to wait for a block. */
const REPLY_MS = 60_000

export interface OpenedChannel {
  record: ChannelRecord
  /** Null when the channel was there already, or nobody said which it was. */
  transaction: Hex | null
  /** Token units that opening it cost: paid out of the ledger, or owed on the channel. */
  fee: bigint
}

export interface LeftChannel extends OrderDone {
  status: ChannelRecord['status']
}

/** Opening, introducing and looking after channels with other devices. */
export interface ChannelService {
  /**
   * Opens a channel to a lender: from the ledger where that covers it, else from the wallet. Without
   * native coin it takes a relayer for the one, and the lender for the other. Never on the path of an
   * answer.
   */
  open(known: KnownOffer, amount: bigint, init?: RelayInit): Promise<OpenedChannel>
  /** The channel that can pay a lender now, if there is one. */
  payable(known: KnownOffer): Promise<ChannelRecord | null>
  /**
   * Shows a lender the channel that pays it: one that lost its disk found it on the chain alone, and
   * does not know whose device it is. @returns whether there was one to show
   * @throws ClearingError when the lender does not take it
   */
  introduce(known: KnownOffer): Promise<boolean>
  /**
   * Hands over what is due to a lender from earlier answers.
   * @param init.replyMs how long one of them may take; the lender is silent else
   * @param except request ids in hex of answers whose own streams may still do it
   * @returns how many it took
   */
  deliver(
    known: Pick<KnownOffer, 'lender' | 'address'>,
    except?: ReadonlySet<string>,
    init?: { replyMs?: number | undefined; signal?: AbortSignal | undefined },
  ): Promise<number>
  /** Leaves a channel that this device pays: asks for the exit, or completes it after the delay. */
  leave(id: Hex, init?: RelayInit): Promise<LeftChannel>
  /**
   * Asks a payee for the highest voucher of the channels that this device found on the chain and pays
   * it by. What its own signer signed is taken up, and the channel pays again.
   * @returns ids of these; others stay as they are, and can only be left
   */
  reclaim(known: KnownOffer): Promise<Hex[]>
  /** The payee's side of the protocol. */
  serve(
    request: ChannelRequest,
    peer: Uint8Array,
    payment: OfferedPayment | null,
  ): Promise<ChannelReply>
}

export function createChannelService(
  parts: Parts,
  { wallet }: { wallet: WalletService },
): ChannelService {
  const { chain, identity, tables, clock, mesh, log } = parts
  const relays = createRelayLimit(OPENINGS, clock)

  function needs() {
    if (chain === null)
      throw new ChainError({ what: 'this device has no chain to pay on', next: NAME_A_CHAIN })
    if (identity === null) throw new ClearingError({ what: 'this device has no keys yet' })
    return { chain, identity }
  }

  async function say(
    address: string,
    lender: Uint8Array,
    request: ChannelRequest,
    inTime: AbortSignal = AbortSignal.timeout(REPLY_MS),
  ) {
    if (mesh === null)
      throw new LendingError('lost', { what: 'this device runs without a network' })
    const to = { address, device: lender, protocol: CHANNEL_PROTOCOL }
    const init = { maxBytes: MAX_MESSAGE_BYTES, signal: inTime }
    const data = await exchange(mesh, to, encodeChannelRequest(request), init)
    const reply = decodeChannelReply(data)
    if (reply.result === 'ok') return reply
    throw new ClearingError({ what: 'the lender refuses the channel', why: reply.why })
  }

  /** Reads a channel from the chain into its record. */
  async function look(id: Hex): Promise<ChannelRecord> {
    const seen = await needs().chain.channel(id)
    const record = await tables.channels.update(id, (old) =>
      seeChannel(existing(old, id), seen, clock.now()),
    )
    return existing(record, id)
  }

  async function open(
    known: KnownOffer,
    amount: bigint,
    init: RelayInit = {},
  ): Promise<OpenedChannel> {
    const { chain, identity } = needs()
    const payment = requirePayment(known.offer.payment)
    const { house, token } = chain
    const peer = toHex(known.lender)
    const own = (await tables.channels.list())
      .map(([, record]) => record)
      .filter(({ role }) => role === 'payer')
    const salts = new Set(own.map(({ config }) => config.salt))
    let next = own.length
    // Recovery knows only what came to the chain, so that there may be gaps below.
    while (salts.has(identity.channelSalt(next))) next++
    const config: ChannelConfig = (await halfOpen(own, { peer, payment, amount })) ?? {
      payer: identity.wallet.address,
      signer: identity.voucherSigner.address,
      payee: getAddress(to0x(payment.payee)),
      delay: payment.leastExitDelaySeconds,
      flags: parts.setOff === 'off' ? 0 : MAY_SET_OFF,
      salt: identity.channelSalt(next),
    }
    const id = channelIdOf(chain.house, config)
    // On disk before anything is asked for: what stops half-way is gone on with.
    const bare = createChannelRecord({ id, role: 'payer', peer, house, token, config })
    await tables.channels.update(id, (old) => old ?? bare)
    // What is open already is only introduced, whoever opened it.
    const isNew = (await chain.channel(id)).status === 'none'
    const order = isNew ? await wallet.open(config, amount, init) : null
    const before = existing(await tables.channels.get(id), id).relayFee
    // Who did not open it is owed what was booked when it was asked to, and nothing else.
    const owed = isNew && order === null ? BigInt(payment.relayFee) : before
    let leave: OpenAuthorization | null = null
    let reservation: Reservation | null = null
    if (isNew && order === null) {
      await requireAgreed(known, payment, init)
      // Asked for again it opens once, and costs once: what was booked before counts already.
      const more = owed > before ? owed - before : 0n
      reservation = await reserveFee(parts, more, { isAgreed: init.agree !== undefined })
      leave = await chain.authorizeOpen(config, amount)
      // The fee is booked before it is asked for: should the reply be lost, no voucher is too low.
      await tables.channels.update(id, (old) => old && { ...old, relayFee: owed })
    }
    const reply = await say(known.address, known.lender, {
      config: configMessage(config),
      leave: leave && leaveMessage(leave),
      voucher: await proveSigner(identity.voucherSigner, { id, house }),
    })
    if (reply.relayFee > owed) {
      throw new ClearingError({ what: 'the lender asks a higher fee than it offered' })
    }
    await tables.channels.update(id, (old) => old && { ...old, relayFee: reply.relayFee })
    await reservation?.close(reply.relayFee > before ? reply.relayFee - before : 0n)
    // Trust nobody's word for it: the chain says what is open.
    const record = await look(id)
    if (record.status !== 'open') throw new ClearingError({ what: 'the channel did not open' })
    const transaction = reply.transaction && to0x(reply.transaction)
    return order === null
      ? { record, transaction, fee: reply.relayFee }
      : { record, transaction: order.transaction, fee: order.fee }
  }

  /** The fee of an opening that the lender submits; refused before anything is signed. */
  async function requireAgreed(
    { lender: relayer, address }: KnownOffer,
    payment: OfferedPayment,
    { agree }: RelayInit,
  ): Promise<void> {
    if (!payment.relaysOpening) {
      throw new ClearingError({ what: 'this lender does not submit openings' })
    }
    const fee = BigInt(payment.relayFee)
    const quote = { kind: 'open', relayer, address, fee, isRaised: false } as const
    if (agree === undefined || (await agree(quote))) return
    throw new ClearingError({ what: `a fee of ${fee} token units was not agreed to` })
  }

  /**
   * An opening that a dead process, or a dead lender, left half-way: its deposit may be on the chain
   * although the lender knows nothing of it. It is gone on with, so that no second one is paid.
   */
  async function halfOpen(
    own: readonly ChannelRecord[],
    wanted: { peer: string; payment: OfferedPayment; amount: bigint },
  ): Promise<ChannelConfig | undefined> {
    const payee = to0x(wanted.payment.payee)
    for (const { id, peer, config, answers, cumulative, isRecovered, isLeaving } of own) {
      if (
        isRecovered ||
        isLeaving ||
        peer !== wanted.peer ||
        cumulative > 0n ||
        Object.keys(answers).length > 0
      )
        continue
      if (!isAddressEqual(config.payee, payee)) continue
      if (config.delay < wanted.payment.leastExitDelaySeconds) continue
      const { status, deposit } = await look(id)
      if (status === 'opening' || (status === 'open' && deposit >= wanted.amount)) return config
    }
    return undefined
  }

  async function reclaim({ offer, lender, address }: KnownOffer): Promise<Hex[]> {
    const { identity } = needs()
    const payee = to0x(requirePayment(offer.payment).payee)
    const done: Hex[] = []
    for (const [, record] of await tables.channels.list()) {
      const { id, house, config } = record
      if (!record.isRecovered || record.role !== 'payer' || record.status !== 'open') continue
      if (!isAddressEqual(config.payee, payee)) continue
      if (!isAddressEqual(config.signer, identity.voucherSigner.address)) continue
      const { highest } = await say(address, lender, {
        config: configMessage(config),
        leave: null,
        voucher: await proveSigner(identity.voucherSigner, { id, house }),
      })
      if (highest === null) continue
      const { cumulative, signature } = highest
      await checkVoucher(record, cumulative, signature)
      await tables.channels.update(id, (old) =>
        old?.isRecovered && cumulative >= old.settled
          ? {
              ...old,
              ...{ peer: toHex(lender), isRecovered: false, cumulative },
              // All that was ever signed counts as paid: the next answer is due on top of it.
              ...{ relayFee: 0n, paidRaw: cumulative * 1_000_000n },
            }
          : old,
      )
      const now = await look(id)
      if (!now.isRecovered) done.push(id)
    }
    return done
  }

  async function deliver(
    { lender, address }: Pick<KnownOffer, 'lender' | 'address'>,
    except: ReadonlySet<string> = new Set(),
    {
      replyMs = REPLY_MS,
      signal,
    }: { replyMs?: number | undefined; signal?: AbortSignal | undefined } = {},
  ) {
    const { identity } = needs()
    const peer = toHex(lender)
    const own = (await tables.channels.list())
      .map(([, record]) => record)
      .filter((record) => record.role === 'payer' && record.peer === peer)
    const waiting = own.flatMap(({ id, undelivered }) =>
      Object.entries(undelivered).map(([reqId, work]) => ({ id, reqId, work })),
    )
    let taken = 0
    for (const { id, reqId, work } of waiting) {
      if (except.has(reqId)) continue
      const record = existing(await tables.channels.get(id), id)
      const { cumulative } = record
      const sig = await signVoucher(identity.voucherSigner, record, cumulative)
      const voucher = { channelId: from0x(id), reqId: fromHex(reqId), cumulative, sig, ...work }
      try {
        const request = { config: null, leave: null, voucher }
        await say(address, lender, request, withinTime(signal, replyMs))
      } catch (error) {
        if (!(error instanceof ClearingError)) throw error
        log('channels.undeliverable', { error: error.message })
      }
      taken++
      await tables.channels.update(id, (old) => old && noteDelivered(old, reqId))
    }
    return taken
  }

  async function serve(
    request: ChannelRequest,
    peer: Uint8Array,
    payment: OfferedPayment | null,
  ): Promise<ChannelReply> {
    const ok: ChannelReply = {
      ...{ result: 'ok', why: '', transaction: null },
      ...{ relayFee: 0n, highest: null },
    }
    try {
      if (request.config === null) {
        if (request.voucher !== null) await acceptLate(request.voucher, peer)
        return ok
      }
      return { ...ok, ...(await introduce(request, peer, requirePayment(payment))) }
    } catch (error) {
      log('channels.refused', { error: String(error) })
      const why = error instanceof FreeholdError ? error.message : 'it failed here'
      return { ...ok, result: 'refused', why: plainText(why) }
    }
  }

  async function acceptLate(voucher: VoucherFrame, peer: Uint8Array): Promise<void> {
    const id = to0x(voucher.channelId)
    const record = await tables.channels.get(id)
    if (record?.role !== 'payee' || record.peer !== toHex(peer)) {
      throw new ClearingError({ what: 'no such channel with you' })
    }
    const reqId = toHex(voucher.reqId)
    if (record.answers[reqId] === undefined) {
      return acceptAmount(tables.channels, id, voucher, parts.checkVoucher)
    }
    await acceptVoucher(tables.channels, id, voucher, parts.checkVoucher)
  }

  /** Takes up a channel that names us as payee, submitting its opening if it is not open yet. */
  async function introduce(
    { config: message, leave, voucher }: ChannelRequest,
    device: Uint8Array,
    payment: OfferedPayment,
  ): Promise<Partial<ChannelReply>> {
    const { chain } = needs()
    const { house, token } = chain
    const config = readConfig(message as ConfigMessage)
    const fail = (why: string): never => {
      throw new ClearingError({ what: 'this channel is not taken', why })
    }
    if (!equal(from0x(config.payee), payment.payee)) fail('its payee is somebody else')
    if (config.delay < payment.leastExitDelaySeconds) fail('its exit delay is too short')
    const id = channelIdOf(chain.house, config)
    const known = await tables.channels.get(id)
    const isOurs = known === undefined || known.peer === toHex(device)
    // Nobody knows from the chain alone whose device a payer is: its signer's word below tells.
    if (!isOurs && !(known.isRecovered && known.peer === '')) fail('it is another device’s')
    // Anybody can read a channel off the chain; only its payer can sign for it.
    if (voucher === null || to0x(voucher.channelId) !== id) return fail('nobody signed for it')
    await checkVoucher({ id, house, config }, voucher.cumulative, voucher.sig)
    let seen = await chain.channel(id)
    let transaction: Uint8Array | null = null
    if (seen.status === 'none' && leave !== null) {
      if (!payment.relaysOpening) fail('this lender does not submit openings')
      const least = leastDeposit(payment)
      if (leave.amount < least) fail(`an opening that is submitted for you takes ${least} or more`)
      const undo = relays.take(toHex(device))
      const signature = to0x(leave.signature)
      const submitting = chain.openWithAuthorization({ ...leave, config, signature })
      // What the contract would refuse is not sent and costs nothing.
      submitting.catch(undo)
      const mined = await submitting
      transaction = from0x(mined.hash)
      seen = await chain.channel(id)
    }
    if (seen.status !== 'open') fail(`on the chain it is ${seen.status}`)
    const relayFee = transaction === null ? (known?.relayFee ?? 0n) : BigInt(payment.relayFee)
    const base = { id, role: 'payee', peer: toHex(device), house, token, config } as const
    await tables.channels.update(id, (old) =>
      seeChannel(
        { ...createChannelRecord(base), ...old, ...base, relayFee, isRecovered: false },
        seen,
        clock.now(),
      ),
    )
    return { transaction, relayFee, highest: await highestOf(known) }
  }

  async function payable({ lender, offer }: KnownOffer): Promise<ChannelRecord | null> {
    if (offer.payment === null) return null
    const peer = toHex(lender)
    const records = (await tables.channels.list()).map(([, record]) => record)
    const usable = records
      .filter(
        (record) => record.role === 'payer' && record.peer === peer && record.status === 'open',
      )
      .filter(({ isRecovered, isLeaving }) => !isRecovered && !isLeaving)
    usable.sort((a, b) => Number(paidLeft(b) - paidLeft(a)))
    return usable[0] ?? null
  }

  async function introduceTo(known: KnownOffer): Promise<boolean> {
    const { identity } = needs()
    const record = await payable(known)
    if (record === null) return false
    const { id, house, config } = record
    await say(known.address, known.lender, {
      config: configMessage(config),
      leave: null,
      voucher: await proveSigner(identity.voucherSigner, { id, house }),
    })
    return true
  }

  return {
    open,
    introduce: introduceTo,
    payable,
    deliver,
    leave: async (id, init) => {
      // Before anything is sent: from here on no answer begins on it, whatever happens.
      await tables.channels.update(id, (old) => {
        const record = existing(old, id)
        return { ...record, isLeaving: record.role === 'payer' }
      })
      const done = await wallet.leave(await look(id), init)
      return { ...done, status: (await look(id)).status }
    },
    reclaim,
    serve,
  }
}

async function highestOf(known: ChannelRecord | undefined): Promise<ChannelReply['highest']> {
  if (!known?.signature) return null
  return { cumulative: known.cumulative, signature: from0x(await settleable(known)) }
}

/** A first voucher over nothing: shows that this device holds the key that signs for the channel. */
async function proveSigner(
  signer: PrivateKeyAccount,
  channel: Pick<ChannelRecord, 'id' | 'house'>,
): Promise<VoucherFrame> {
  const sig = await signVoucher(signer, channel, 0n)
  const nothing = { cumulative: 0n, reqId: new Uint8Array(16), tokens: 0 }
  return { ...nothing, channelId: from0x(channel.id), sig, runningHash: new Uint8Array(32) }
}

/** Least deposit that is worth submitting: the fee ten times over, and some answers. */
export function leastDeposit({ relayFee, prices, windowTokens }: OfferedPayment): bigint {
  const windows = rawCost(prices, 0, 0, 16 * windowTokens) / 1_000_000n
  const least = 10n * BigInt(relayFee) + windows
  return least > 0n ? least : 1n
}

function paidLeft(record: ChannelRecord): bigint {
  return record.deposit - paidAmount(record)
}

function requirePayment(payment: OfferedPayment | null): OfferedPayment {
  if (payment === null) throw new ClearingError({ what: 'this lender takes no payment' })
  return payment
}

function leaveMessage({ amount, validAfter, validBefore, signature }: OpenAuthorization) {
  return { amount, validAfter, validBefore, signature: from0x(signature) }
}

/** Reads one request from a stream and answers it. */
export async function answerChannelStream(
  messages: ReturnType<typeof messagesOver>,
  answer: (request: ChannelRequest) => Promise<ChannelReply>,
): Promise<void> {
  const data = await messages.read({ signal: AbortSignal.timeout(REQUEST_MS) })
  if (data === null) return
  await messages.write(encodeChannelReply(await answer(decodeChannelRequest(data))))
  await messages.close()
}
