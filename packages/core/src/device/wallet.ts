import type { Address, Hex } from 'viem'
import { from0x, fromHex } from '../bytes.ts'
import type { Chain, Mined, SettlementRow } from '../clearing/chain.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { configMessage, readConfig } from '../clearing/config-message.ts'
import { seeChannel, unsettled } from '../clearing/keeper.ts'
import { signOrder, UNSIGNED } from '../clearing/orders.ts'
import { type ChannelConfig, channelIdOf } from '../clearing/typed-data.ts'
import { settleable } from '../clearing/voucher.ts'
import { CeilingError, ClearingError } from '../errors.ts'
import { existing } from '../storage.ts'
import { MAX_SETTLED_FIRST, type SignedOrder } from '../wire/relay-messages.ts'
import type { Parts } from './parts.ts'
import { type OrderDone, type RelayInit, type RelayService, UnsubmittedError } from './relaying.ts'

/** What a device does with its own money on the chain: by itself with native coin, else by a relayer. */
export interface WalletService {
  /** Moves ledger balance, and what was earned, to an address; `all` leaves nothing but the fee. */
  withdraw(init: RelayInit & { to: Address; amount: bigint | 'all' }): Promise<OrderDone>
  /** Puts tokens from the wallet into the ledger; of `amount`, the fee is paid. */
  deposit(init: RelayInit & { amount: bigint }): Promise<OrderDone>
  /** Adds to a channel that this device pays: from the ledger where that covers it, else the wallet. */
  topUp(init: RelayInit & { channel: Hex; amount: bigint }): Promise<OrderDone>
  /** Asks for the exit of a channel as the chain has it now, or completes it. See `ChannelService`. */
  leave(record: ChannelRecord, init?: RelayInit): Promise<OrderDone>
  /**
   * Opens a channel: from the ledger where that covers it, else from the wallet.
   * @returns null when it takes the wallet and this device has no coin: the payee may submit it
   */
  open(config: ChannelConfig, amount: bigint, init?: RelayInit): Promise<OrderDone | null>
  /** Token units that went to relayers, and that this device got as one. */
  relayFees(): Promise<{ paid: bigint; earned: bigint }>
}

/** Gas for which an account must have coin to count as one that has any. */
const OWN_GAS = 300_000n

export function createWalletService(
  parts: Parts,
  { relaying }: { relaying: RelayService },
): WalletService {
  const { chain, identity, tables, clock, random } = parts

  function needs() {
    if (chain === null)
      throw new ClearingError({
        what: 'this device has no chain to clear on',
        next: 'Name one in the settings or with --chain',
      })
    if (identity === null) throw new ClearingError({ what: 'this device has no keys yet' })
    return { chain, wallet: identity.wallet, account: identity.wallet.address }
  }

  async function balances() {
    const { chain, account } = needs()
    const [found, weiPerGas] = await Promise.all([
      chain.balances(account),
      chain.orders.weiPerGas(),
    ])
    return { ...found, hasCoin: found.native > 0n && found.native >= OWN_GAS * weiPerGas }
  }

  /** Vouchers that pay this device and that are not settled yet, the largest first. */
  async function earnings(): Promise<ChannelRecord[]> {
    const { chain } = needs()
    const records = (await tables.channels.list()).map(([, record]) => record)
    return records
      .filter(({ role, signature, status }) => role === 'payee' && signature && status !== 'closed')
      .filter(({ house }) => house.address === chain.house.address)
      .filter((record) => unsettled(record) > 0n)
      .sort((a, b) => Number(unsettled(b) - unsettled(a)))
      .slice(0, MAX_SETTLED_FIRST)
  }

  async function rowsOf(records: readonly ChannelRecord[]): Promise<SettlementRow[]> {
    return Promise.all(
      records.map(async (record) => {
        const { config, cumulative } = record
        return { config, cumulative, signature: await settleable(record) }
      }),
    )
  }

  const worth = (records: readonly ChannelRecord[]) =>
    records.reduce((sum, record) => sum + unsettled(record), 0n)

  async function look(id: Hex): Promise<ChannelRecord> {
    const seen = await needs().chain.channel(id)
    const change = (old: ChannelRecord | undefined) =>
      seeChannel(existing(old, id), seen, clock.now())
    return existing(await tables.channels.update(id, change), id)
  }

  async function lookAll(records: readonly ChannelRecord[]): Promise<void> {
    for (const { id } of records) await look(id)
  }

  const own = (kind: OrderDone['kind'], { hash, gasUsed }: Mined): OrderDone => ({
    ...{ kind, fee: 0n, relayer: null, transaction: hash, gasUsed },
  })

  /** An order that this device submits itself, for nothing. */
  async function submitOwn(chain: Chain, order: SignedOrder): Promise<OrderDone> {
    const { account } = needs()
    return own(order.kind, await chain.orders.submit({ relayer: account, order }))
  }

  async function withdraw({
    to,
    amount,
    ...init
  }: RelayInit & { to: Address; amount: bigint | 'all' }): Promise<OrderDone> {
    const { chain, wallet, account } = needs()
    const { house } = chain
    const { ledger, hasCoin } = await balances()
    if (hasCoin) {
      const value = amount === 'all' ? ledger : amount
      return own('withdraw', await chain.withdraw(to, value))
    }
    const nonce = await chain.orders.nonce(account)
    const earned = await earnings()
    let settled: ChannelRecord[] = []
    const done = await relaying.hand(
      {
        kind: 'withdraw',
        settleFirst: async (fee) => {
          settled = amount === 'all' || ledger < amount + fee ? earned : []
          return rowsOf(settled)
        },
        sign: async ({ relayer, fee, deadline }) => {
          const most = ledger + worth(settled) - fee
          const value = amount === 'all' ? most : amount
          if (value <= 0n || value > most) throw tooLittle(value, most, fee)
          const base = { account: from0x(account), to: from0x(to), amount: value }
          const bare = { ...base, fee, nonce, deadline, signature: UNSIGNED }
          return signOrder(wallet, { house, relayer, order: { kind: 'withdraw', ...bare } })
        },
      },
      init,
    )
    await lookAll(settled)
    return done
  }

  async function deposit({ amount, ...init }: RelayInit & { amount: bigint }): Promise<OrderDone> {
    const { chain, account } = needs()
    const { house } = chain
    const { hasCoin } = await balances()
    const salt = random(32)
    const sign = ({ relayer, fee, deadline }: Terms) => {
      if (fee >= amount) throw tooLittle(amount, amount, fee)
      const base = { account: from0x(account), amount, fee, salt, deadline, signature: UNSIGNED }
      const order: SignedOrder = { kind: 'depositFromWallet', ...base }
      return chain.orders.authorize({ house, relayer, order })
    }
    if (!hasCoin) return relaying.hand({ kind: 'depositFromWallet', sign }, init)
    return submitOwn(chain, await sign({ relayer: account, fee: 0n, deadline: await soon(chain) }))
  }

  async function open(
    config: ChannelConfig,
    amount: bigint,
    init: RelayInit = {},
  ): Promise<OrderDone | null> {
    const { chain, wallet, account } = needs()
    const { house } = chain
    const { ledger, wallet: tokens, hasCoin } = await balances()
    const sign = ({ relayer, fee, deadline }: Terms) => {
      const base = { config: configMessage(config), amount, fee, deadline, signature: UNSIGNED }
      return signOrder(wallet, { house, relayer, order: { kind: 'openFromLedger', ...base } })
    }
    if (hasCoin && ledger < amount) {
      const leave = await chain.authorizeOpen(config, amount)
      return own('open', await chain.openWithAuthorization(leave))
    }
    if (hasCoin) {
      return submitOwn(
        chain,
        await sign({ relayer: account, fee: 0n, deadline: await soon(chain) }),
      )
    }
    const plan = await fromLedger({ ledger, amount, hasOtherWay: tokens >= amount }, init)
    if (plan === null) return null
    try {
      const done = await relaying.hand({ kind: 'openFromLedger', sign, ...plan }, init)
      await lookAll(plan.settled)
      return done
    } catch (error) {
      // An id opens once: should the order still come to the chain, the other way fails, or is there first.
      const isOpen = error instanceof UnsubmittedError || error instanceof CeilingError
      if (isOpen && tokens >= amount) return null
      throw error
    }
  }

  /** Whether the ledger covers an order and its fee; what was earned is settled first where it takes that. */
  async function fromLedger(
    { ledger, amount, hasOtherWay }: { ledger: bigint; amount: bigint; hasOtherWay: boolean },
    init: RelayInit,
  ) {
    // Not worth asking anybody for a fee.
    const earned = await earnings()
    if (ledger + worth(earned) < amount) return null
    const fee = await relaying.leastFee(init)
    if (fee === null) return null
    if (ledger >= amount + fee) return { settled: [], settleFirst: async () => [] }
    if (hasOtherWay || ledger + worth(earned) < amount + 2n * fee) return null
    return { settled: earned, settleFirst: () => rowsOf(earned) }
  }

  async function topUp({
    channel,
    amount,
    ...init
  }: RelayInit & { channel: Hex; amount: bigint }): Promise<OrderDone> {
    const { chain, wallet, account } = needs()
    const { house } = chain
    await forgetVoid()
    const record = await look(channel)
    if (record.role !== 'payer' || record.status !== 'open') {
      throw new ClearingError({
        what: 'this channel cannot be topped up',
        why: record.role === 'payer' ? `it is ${record.status}` : 'somebody else pays it',
      })
    }
    const config = configMessage(record.config)
    const { ledger, wallet: tokens, hasCoin } = await balances()
    const nonce = await chain.orders.nonce(account)
    const signLedger = ({ relayer, fee, deadline }: Terms) => {
      const base = { config, amount, fee, nonce, deadline, signature: UNSIGNED }
      return signOrder(wallet, { house, relayer, order: { kind: 'topUpFromLedger', ...base } })
    }
    const salt = random(32)
    const signWallet = ({ relayer, fee, deadline }: Terms) => {
      const base = { config, amount, fee, salt, deadline, signature: UNSIGNED }
      const order: SignedOrder = { kind: 'topUpFromWallet', ...base }
      return chain.orders.authorize({ house, relayer, order })
    }
    if (hasCoin) {
      const sign = ledger >= amount ? signLedger : signWallet
      const order = await sign({ relayer: account, fee: 0n, deadline: await soon(chain) })
      const done = await submitOwn(chain, order)
      await stay(await look(channel))
      return done
    }
    const plan = await fromLedger({ ledger, amount, hasOtherWay: tokens >= amount }, init)
    const done =
      plan === null
        ? await topUpByPayee(record, signWallet, init)
        : await relaying.hand({ kind: 'topUpFromLedger', sign: signLedger, ...plan }, init)
    await lookAll(plan?.settled ?? [])
    await stay(await look(channel))
    return done
  }

  /** Who adds to a channel wants it after all: an exit that was noted and never came to the chain is void. */
  async function stay({ id, status }: ChannelRecord): Promise<void> {
    if (status !== 'open') return
    await tables.channels.update(id, (old) => old && { ...old, isLeaving: false })
  }

  /** The fee is owed on the channel, so it is booked before it is asked for: no voucher is too low. */
  async function topUpByPayee(
    { id, peer }: ChannelRecord,
    sign: (terms: Terms) => Promise<SignedOrder>,
    init: RelayInit,
  ): Promise<OrderDone> {
    const owe = (fee: bigint) => owed(id, fee)
    let booked = 0n
    const plan = {
      kind: 'topUpFromWallet' as const,
      only: fromHex(peer),
      sign: async (terms: Terms) => {
        const order = await sign(terms)
        await owe(terms.fee - booked)
        booked = terms.fee
        return order
      },
    }
    try {
      return await relaying.hand(plan, init)
    } catch (error) {
      // Whoever was silent may still do it, and then it is owed.
      const mayFollow = error instanceof UnsubmittedError && error.mayFollow
      if (!mayFollow) await owe(-booked)
      throw error
    }
  }

  async function leave(
    { id, role, status, config }: ChannelRecord,
    init: RelayInit = {},
  ): Promise<OrderDone> {
    const { chain, wallet } = needs()
    const { house } = chain
    const { hasCoin } = await balances()
    const message = configMessage(config)
    if (status === 'exiting') {
      if (hasCoin) return own('finalizeClose', await chain.finalizeClose(config))
      const sign = async (): Promise<SignedOrder> => ({ kind: 'finalizeClose', config: message })
      return relaying.hand({ kind: 'finalizeClose', sign }, init)
    }
    if (status !== 'open' || role === 'payee') {
      throw new ClearingError({ what: 'this channel cannot be left', why: `it is ${status}` })
    }
    if (hasCoin) return own('requestClose', await chain.requestClose(config))
    const cancelledExits = await chain.orders.cancelledExits(id)
    const sign = ({ relayer, deadline }: Terms) => {
      const base = { config: message, cancelledExits, deadline, signature: UNSIGNED }
      return signOrder(wallet, { house, relayer, order: { kind: 'requestClose', ...base } })
    }
    return relaying.hand({ kind: 'requestClose', sign }, init)
  }

  const owed = (id: Hex, fee: bigint) =>
    tables.channels.update(id, (old) => old && { ...old, relayFee: old.relayFee + fee })

  /** Takes back what was booked for top-ups that nobody can submit any more. */
  async function forgetVoid(): Promise<void> {
    const { chain } = needs()
    for (const { handed } of await relaying.lookBack()) {
      for (const { order, isBroken } of handed) {
        if (order.kind !== 'topUpFromWallet' || !isBroken) continue
        await owed(channelIdOf(chain.house, readConfig(order.config)), -order.fee)
      }
    }
  }

  async function relayFees(): Promise<{ paid: bigint; earned: bigint }> {
    await forgetVoid()
    let [paid, earned] = [0n, 0n]
    for (const [, { kind, isDone, fee }] of await tables.orders.list()) {
      // What is owed on a channel is counted there.
      if (isDone && kind !== 'topUpFromWallet') paid += fee ?? 0n
    }
    for (const [, { kind, transaction, fee }] of await tables.relayed.list()) {
      if (transaction !== null && kind !== 'topUpFromWallet') earned += fee
    }
    for (const [, { role, relayFee }] of await tables.channels.list()) {
      if (role === 'payer') paid += relayFee
      else earned += relayFee
    }
    return { paid, earned }
  }

  return { withdraw, deposit, topUp, leave, open, relayFees }
}

interface Terms {
  relayer: Address
  fee: bigint
  deadline: number
}

/** A deadline for what is submitted at once. */
async function soon(chain: Chain): Promise<number> {
  return (await chain.orders.timeSeconds()) + 600
}

function tooLittle(value: bigint, most: bigint, fee: bigint): ClearingError {
  return new ClearingError({
    what: 'there is too little for it',
    why: `${value} token units are asked for, and ${most > 0n ? most : 0n} are left after a fee of ${fee}`,
  })
}
