import { type Address, type Hex, isAddressEqual } from 'viem'
import { from0x, fromHex, to0x, toHex } from '../bytes.ts'
import { checkAcknowledgement } from '../clearing/acknowledgement.ts'
import type { Debt } from '../clearing/chain.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { checkDebt } from '../clearing/debt.ts'
import { unsettled } from '../clearing/keeper.ts'
import type { Edge } from '../clearing/rings.ts'
import { ChainError, ClearingError } from '../errors.ts'
import { debtorHash, MAX_DEBTORS, MAX_SET_OFF_CHANNELS } from '../wire/set-off-messages.ts'
import type { Parts } from './parts.ts'
import { LEAST_LIFE_SECONDS, type SetOffBook } from './set-off-book.ts'
import type { SetOffPeers } from './set-off-peers.ts'

/** All debts that this device knows of and could have cancelled. */
export interface GatheredEdges {
  edges: Edge[]
  /** Signs, or hands out, what the contract takes for one of them. */
  debt(id: Hex): Promise<Debt>
  unanswered: { device: string; why: string }[]
}

/** Gathers what rings are made of: own debts, and those of others that close a ring with them. */
export interface SetOffEdges {
  gather(init: { signal?: AbortSignal | undefined }): Promise<GatheredEdges>
  /** Whether a channel is one of this device's that the last round took. */
  isOwn(id: Hex): boolean
}

/** An edge, and where its signatures come from. */
interface Known {
  edge: Edge
  sign(): Promise<Debt>
}

export function createSetOffEdges(
  book: SetOffBook,
  { random, log, others }: Pick<Parts, 'random' | 'log'> & { others: SetOffPeers },
): SetOffEdges {
  const { chain, holds, own } = book
  let taken = new Set<Hex>()

  async function gather({ signal }: { signal?: AbortSignal | undefined }): Promise<GatheredEdges> {
    const isFree = ({ id }: ChannelRecord) => holds.take(id, own)
    const owed = (await book.owed()).filter(isFree)
    const owing = (await book.owing()).filter(isFree)
    taken = new Set([...owed, ...owing].map(({ id }) => id))
    const byPeer = Map.groupBy(owing, ({ peer }) => peer)
    const unanswered: GatheredEdges['unanswered'] = []
    const far = await Promise.all(
      [...byPeer].map(async ([device, debts]) => {
        try {
          return await askOne(device, debts, owed, signal)
        } catch (error) {
          signal?.throwIfAborted()
          if (error instanceof ChainError) throw error
          const why = error instanceof Error ? error.message : String(error)
          log('set-off.unanswered', { device, error: why })
          unanswered.push({ device, why })
          return []
        }
      }),
    )
    const near = await Promise.all([...owed.map(asPayee), ...owing.map(asPayer)])
    const all = new Map<Hex, Known>()
    for (const known of [...far.flat(), ...near.flat()]) all.set(known.edge.id, known)
    return {
      edges: [...all.values()].map(({ edge }) => edge),
      debt: (id) => {
        const known = all.get(id)
        if (known === undefined) throw new ClearingError({ what: 'no such debt', why: id })
        return known.sign()
      },
      unanswered,
    }
  }

  async function asPayee({ id }: ChannelRecord): Promise<Known[]> {
    const record = await book.look(id)
    // It is signed when a ring is found.
    const own = { total: record.cumulative, deadline: Number.MAX_SAFE_INTEGER }
    return isThere(record) ? [{ edge: edgeOf(record, own), sign: () => book.debtOwed(record) }] : []
  }

  async function asPayer({ id }: ChannelRecord): Promise<Known[]> {
    const acknowledged = book.kept(id)
    if (acknowledged === null) return []
    const record = await book.look(id)
    // Whoever leaves wants its money back, not its earnings behind it.
    if (record.status !== 'open') return []
    const edge = edgeOf(record, acknowledged)
    return [{ edge, sign: () => book.debtOwing(record, acknowledged) }]
  }

  /** Asks a device that this one owes, if a ring may come of it. @returns others' debts for rings of three */
  async function askOne(
    device: string,
    debts: ChannelRecord[],
    owed: ChannelRecord[],
    signal: AbortSignal | undefined,
  ): Promise<Known[]> {
    const reach = await book.reachOf(device)
    const back = owed.filter(({ peer }) => peer === device)
    const isPair = lesser(sum(debts), sum(back)) >= (await book.least())(2)
    if (reach === 'pairs' && !isPair) return []
    const salt = random(16)
    const debtors = new Map<string, ChannelRecord[]>()
    for (const record of reach === 'friends' ? owed : []) {
      if (record.peer === device) continue
      const hash = toHex(debtorHash(salt, from0x(record.config.payer)))
      debtors.set(hash, [...(debtors.get(hash) ?? []), record])
    }
    const names = [...debtors.keys()].slice(0, MAX_DEBTORS).map(fromHex)
    const answer = await others.ask(device, { salt, debtors: names }, signal)
    for (const one of answer.acknowledgements) {
      const record = debts.find(({ id }) => id === to0x(one.channelId))
      // A channel that another ring has, or none at all.
      if (record === undefined) continue
      // Signing a voucher over more than was ever signed would be a new debt.
      if (one.total > record.cumulative) throw refusal('it acknowledges more than is owed')
      if (one.deadline <= book.nowSeconds()) throw refusal('what it acknowledges is over')
      await checkAcknowledgement(record, one)
      book.keep(record.id, one)
    }
    const matched = answer.matches.flatMap((hash) => debtors.get(toHex(hash)) ?? [])
    if (matched.length === 0) return []
    const shown = matched.slice(0, MAX_SET_OFF_CHANNELS).map(({ config }) => config)
    const closing = await others.close(device, shown, signal)
    const [{ config }] = debts as [ChannelRecord]
    const payees = shown.map(({ payer }) => payer)
    return Promise.all(closing.map((debt) => asOther(debt, config.payee, payees)))
  }

  /** A debt between two others, as one of them shows it. */
  async function asOther(debt: Debt, payer: Address, payees: Address[]): Promise<Known> {
    const { config, total, deadline } = debt
    const isAskedFor = payees.some((payee) => isAddressEqual(payee, config.payee))
    if (!isAddressEqual(config.payer, payer) || !isAskedFor) throw refusal('it shows other debts')
    if (deadline <= book.nowSeconds() + LEAST_LIFE_SECONDS) throw refusal('what it shows is over')
    const id = await checkDebt(chain.house, debt)
    const seen = await chain.channel(id)
    const edge = { id, config, seen, voucher: total, acknowledged: total, deadline }
    return { edge, sign: async () => debt }
  }

  return { gather, isOwn: (id) => taken.has(id) }
}

/** A channel's row, as the chain was seen just now. */
function edgeOf(
  { id, config, deposit, confirmedDeposit, settled }: ChannelRecord,
  { total, deadline }: Pick<Debt, 'total' | 'deadline'>,
): Edge {
  // An exit that is pending changes nothing here.
  const status = { status: 'open', isCloseYoung: false, exitRequestedAt: 0 } as const
  const seen = { deposit, confirmedDeposit, settled, ...status }
  return { id, config, seen, voucher: total, acknowledged: total, deadline }
}

function isThere({ status }: ChannelRecord): boolean {
  return status === 'open' || status === 'exiting'
}

function refusal(why: string): ClearingError {
  return new ClearingError({ what: 'the other device’s answer does not hold', why })
}

function sum(records: readonly ChannelRecord[]): bigint {
  return records.reduce((all, record) => all + unsettled(record), 0n)
}

function lesser(one: bigint, other: bigint): bigint {
  return one < other ? one : other
}
