import type { Hex } from 'viem'
import { to0x, toHex } from '../bytes.ts'
import { type Acknowledgement, signAcknowledgement } from '../clearing/acknowledgement.ts'
import type { Chain, Debt } from '../clearing/chain.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { seeChannel, unsettled } from '../clearing/keeper.ts'
import { MAY_SET_OFF } from '../clearing/rings.ts'
import { settleable, signVoucher } from '../clearing/voucher.ts'
import { settingOffWorth, type WorthInit } from '../clearing/worth.ts'
import type { Identity } from '../identity/identity.ts'
import { existing } from '../storage.ts'
import type { Parts, SetOffReach } from './parts.ts'
import type { PeerService } from './peers.ts'
import { createRingHolds, type RingHolds } from './ring-holds.ts'

/** How long this device's acknowledgements hold: long enough to be passed on, short enough to forget. */
const LIFE_SECONDS = 1_800
/** Those of others may hold for a day. */
const MAX_LIFE_SECONDS = 86_400
/** What ends sooner might be late for the chain. */
export const LEAST_LIFE_SECONDS = 60

export type Reach = Exclude<SetOffReach, 'off'>

/** An acknowledgement of another device, for a channel that this one pays by. */
export interface KeptAcknowledgement extends Acknowledgement {
  /** Whether it may go into rings of three. */
  reach: Reach
}

/** What a device that takes part in set-offs owes, is owed, and has been handed about it. */
export interface SetOffBook {
  readonly identity: Identity
  readonly chain: Chain
  readonly holds: RingHolds
  /** This device's key, hex. */
  readonly own: string
  nowSeconds(): number
  /** Channels by which others owe this device something that may be set off. */
  owed(): Promise<ChannelRecord[]>
  /** Channels by which this device owes something that may be set off. */
  owing(): Promise<ChannelRecord[]>
  /** How far another device's rings may go with this one. @param device its key, hex */
  reachOf(device: string): Promise<Reach>
  /** Least amount that a ring of so many is worth its gas, at what gas costs now. @throws ChainError */
  least(): Promise<(size: number) => bigint>
  /** As payee of a channel. */
  acknowledge(record: ChannelRecord): Promise<Acknowledgement>
  /** As payee of a channel: it has the voucher. */
  debtOwed(record: ChannelRecord): Promise<Debt>
  /** As payer of a channel: it signs the voucher again that its payee acknowledged. */
  debtOwing(record: ChannelRecord, acknowledged: Acknowledgement): Promise<Debt>
  /** Keeps what a payee sent. The caller has checked the signature. */
  keep(id: Hex, acknowledgement: KeptAcknowledgement): void
  /** What was kept and still holds. */
  kept(id: Hex): KeptAcknowledgement | null
  /** Reads a channel of this device from the chain into its row. */
  look(id: Hex): Promise<ChannelRecord>
}

export function createSetOffBook(
  worth: WorthInit,
  parts: Parts & { identity: Identity; chain: Chain },
  { peers }: { peers: PeerService },
): SetOffBook {
  const { identity, chain, clock, tables, setOff } = parts
  const own = toHex(identity.device)
  const acknowledgements = new Map<Hex, KeptAcknowledgement>()
  const nowSeconds = () => Math.floor(clock.now() / 1_000)

  async function rows(role: ChannelRecord['role']): Promise<ChannelRecord[]> {
    const all = (await tables.channels.list()).map(([, record]) => record)
    // Whoever leaves a channel wants its money out: nothing is put into it any more.
    const usable = all.filter(({ status, isRecovered }) => status === 'open' && !isRecovered)
    return usable
      .filter((record) => record.role === role && (record.config.flags & MAY_SET_OFF) !== 0)
      .filter((record) => unsettled(record) > 0n)
  }

  const acknowledge = (record: ChannelRecord) =>
    signAcknowledgement(identity.wallet, record, {
      total: record.cumulative,
      deadline: nowSeconds() + LIFE_SECONDS,
    })

  return {
    identity,
    chain,
    own,
    nowSeconds,
    holds: createRingHolds(own, clock),
    owed: async () => (await rows('payee')).filter(({ signature }) => signature !== null),
    owing: () => rows('payer'),
    reachOf: async (device) =>
      setOff === 'friends' && (await peers.rung(device)) !== 'market' ? 'friends' : 'pairs',
    least: () => settingOffWorth(worth, chain.orders),
    acknowledge,
    debtOwed: async (record) => {
      const { total, deadline, signature } = await acknowledge(record)
      const voucher = await settleable(record)
      const { config } = record
      return { config, total, deadline, voucher, acknowledgement: to0x(signature) }
    },
    debtOwing: async (record, { total, deadline, signature }) => {
      const voucher = to0x(await signVoucher(identity.voucherSigner, record, total))
      const { config } = record
      return { config, total, deadline, voucher, acknowledgement: to0x(signature) }
    },
    keep: (id, acknowledgement) => {
      if (acknowledgement.deadline <= nowSeconds() + MAX_LIFE_SECONDS) {
        acknowledgements.set(id, acknowledgement)
      }
    },
    kept: (id) => {
      const found = acknowledgements.get(id)
      return found && found.deadline > nowSeconds() + LEAST_LIFE_SECONDS ? found : null
    },
    look: async (id) => {
      const seen = await chain.channel(id)
      const record = await tables.channels.update(id, (old) =>
        seeChannel(existing(old, id), seen, clock.now()),
      )
      return existing(record, id)
    },
  }
}
