import type { Address, Hex } from 'viem'
import type { ChannelOnChain } from './chain.ts'
import type { ChannelConfig } from './typed-data.ts'

/** What the payer of one channel owes its payee, as a ring may cancel it. Amounts in token units. */
export interface Edge {
  id: Hex
  config: ChannelConfig
  seen: ChannelOnChain
  /** Total of a voucher that its signer signed. */
  voucher: bigint
  /** Total up to which its payee lets it be set off. */
  acknowledged: bigint
  /** Unix seconds up to which the payee does. */
  deadline: number
}

/** Debts that go round: each payee is the payer of the next, the last one's the first's. */
export interface Ring {
  /** As they are when this ring is set off, after those before it. */
  edges: Edge[]
  /** Cancelled on each of them. */
  amount: bigint
}

export interface RingsInit {
  /** Each ring goes through this account, and begins with what it owes. */
  through: Address
  /** Least amount that a ring of so many is worth; nothing below 1 is. */
  least(size: number): bigint
  nowSeconds: number
  /** Rings, each a transaction of its own. @default 8 */
  maxRings?: number | undefined
}

/** Bit 0 of a channel's flags: its payer lets it be set off. */
export const MAY_SET_OFF = 1
/** What the contract's slot of a deposit holds. */
const MAX_DEPOSIT = 2n ** 96n - 1n
const SIZES = [2, 3] as const
const MAX_RINGS = 8

/** What the contract would set off on a channel now: what `settle` would pay, and has room for. */
export function clearable({ seen, voucher, acknowledged }: Edge): bigint {
  const covered = least(voucher, acknowledged, seen.deposit) - seen.settled
  const amount = least(covered, MAX_DEPOSIT - seen.deposit)
  return amount > 0n ? amount : 0n
}

/**
 * Finds rings to set off one after the other: pairs first, then rings of three; of those that are
 * there the one over the most, and of equals the one whose ids come first. The same edges in any
 * order give the same rings.
 */
export function findRings(edges: readonly Edge[], init: RingsInit): Ring[] {
  const { maxRings = MAX_RINGS, nowSeconds } = init
  const through = accountKey(init.through)
  const book = new Map<Hex, Edge>()
  for (const edge of edges) {
    const other = book.get(edge.id)
    const isBetter = other === undefined || clearable(edge) > clearable(other)
    if (mayBeSetOff(edge, nowSeconds) && isBetter) book.set(edge.id, edge)
  }
  const rings: Ring[] = []
  for (const size of SIZES) {
    while (rings.length < maxRings) {
      const ring = largestRing([...book.values()], through, size)
      if (ring === null || ring.amount < init.least(size)) break
      rings.push(ring)
      for (const edge of ring.edges) book.set(edge.id, afterSetOff(edge, ring.amount))
    }
  }
  return rings
}

/** The contract's rules for one channel: an exit that is pending goes on, and hinders nothing. */
function mayBeSetOff({ config, seen, deadline }: Edge, nowSeconds: number): boolean {
  const isOneself = accountKey(config.payer) === accountKey(config.payee)
  const isFlagged = (config.flags & MAY_SET_OFF) !== 0
  return isFlagged && seen.status === 'open' && deadline >= nowSeconds && !isOneself
}

function afterSetOff(edge: Edge, amount: bigint): Edge {
  const { deposit, settled } = edge.seen
  return { ...edge, seen: { ...edge.seen, deposit: deposit + amount, settled: settled + amount } }
}

function largestRing(edges: Edge[], through: string, size: 2 | 3): Ring | null {
  let best: Ring | null = null
  for (const loop of size === 2 ? pairs(edges, through) : triangles(edges, through)) {
    const ring = { edges: loop, amount: least(...loop.map(clearable)) }
    if (ring.amount > 0n && (best === null || isBefore(ring, best))) best = ring
  }
  return best
}

function isBefore(one: Ring, other: Ring): boolean {
  if (one.amount !== other.amount) return one.amount > other.amount
  return one.edges.map(({ id }) => id).join() < other.edges.map(({ id }) => id).join()
}

function* pairs(edges: Edge[], through: string): Generator<Edge[]> {
  for (const owing of edges) {
    if (accountKey(owing.config.payer) !== through) continue
    for (const owed of edges) {
      if (joins(owing, owed) && joins(owed, owing)) yield [owing, owed]
    }
  }
}

function* triangles(edges: Edge[], through: string): Generator<Edge[]> {
  for (const owing of edges) {
    if (accountKey(owing.config.payer) !== through) continue
    for (const far of edges) {
      if (!joins(owing, far)) continue
      for (const owed of edges) {
        if (joins(far, owed) && joins(owed, owing)) yield [owing, far, owed]
      }
    }
  }
}

/** Whether the payee of one channel is the payer of the next. */
function joins(one: Edge, next: Edge): boolean {
  return accountKey(one.config.payee) === accountKey(next.config.payer)
}

/** Addresses are written in either case. */
function accountKey(address: Address): string {
  return address.toLowerCase()
}

function least(...amounts: bigint[]): bigint {
  return amounts.reduce((low, one) => (one < low ? one : low))
}
