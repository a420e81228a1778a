import type { Address, Hex } from 'viem'
import type { Debt } from '../clearing/chain.ts'
import { type Edge, findRings, type Ring } from '../clearing/rings.ts'
import type { WorthInit } from '../clearing/worth.ts'
import { ChainError, ClearingError } from '../errors.ts'
import { createInTurn } from '../in-turn.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import type { Parts } from './parts.ts'
import type { PeerService } from './peers.ts'
import { createSetOffBook, LEAST_LIFE_SECONDS } from './set-off-book.ts'
import { createSetOffDesk } from './set-off-desk.ts'
import { createSetOffEdges } from './set-off-edges.ts'
import { createSetOffPeers } from './set-off-peers.ts'

/** A ring that was found, and what became of it. */
export interface FoundRing {
  channels: Hex[]
  /** Who owes the next one, the last one the first; this device is the first. */
  accounts: Address[]
  /** Token units that are cancelled on each channel. */
  amount: bigint
  /** At most, as simulated; null when the contract would refuse it. */
  gas: bigint | null
  /** The same in wei, at the price of the moment. */
  feeWei: bigint | null
  /** `found`: only looked for. `no-coin`: nobody in it who can be asked has native coin. */
  result: 'found' | 'done' | 'refused' | 'no-coin'
  /** In a sentence, where it was not done. */
  why: string | null
  transaction: Hex | null
  /** Device key of the member that submitted it, hex; null while nobody did. */
  by: string | null
}

export interface SetOffRound {
  rings: FoundRing[]
  /** Devices that did not answer or whose answer did not hold, by key in hex. */
  unanswered: { device: string; why: string }[]
}

/** Sets off what this device owes against what it is owed: see docs/protocol.md, Set-off. */
export interface SetOffService {
  /**
   * Asks those whom this device owes, finds rings and has them set off, one round at a time. A
   * device that takes no part, or has no keys, network or chain, asks nobody.
   * @param init.isDryRun only looks, and sends nothing to the chain
   * @throws ChainError when the chain cannot be asked
   */
  round(init?: {
    isDryRun?: boolean | undefined
    signal?: AbortSignal | undefined
  }): Promise<SetOffRound>
  /** The other side of the protocol, for one stream. */
  serve(messages: MessageStream, peer: Uint8Array): Promise<void>
}

const NOT_SEEN = {
  result: 'refused',
  why: 'another device says that it submitted the ring, and the chain does not show it yet',
} as const

export function createSetOffService(
  init: WorthInit,
  parts: Parts,
  { peers }: { peers: PeerService },
): SetOffService {
  const { chain, identity, mesh, tables, log } = parts
  const isOff = parts.setOff === 'off' || chain === null || identity === null || mesh === null
  const inTurn = createInTurn()

  function open() {
    if (chain === null || identity === null || mesh === null) {
      throw new ClearingError({ what: 'setting off takes keys, a network and a chain' })
    }
    const book = createSetOffBook(init, { ...parts, chain, identity }, { peers })
    const others = createSetOffPeers({ mesh, tables })
    const edges = createSetOffEdges(book, { ...parts, others })
    return { book, others, edges, desk: createSetOffDesk(book, parts) }
  }
  let opened: ReturnType<typeof open> | null = null
  const needs = () => {
    opened ??= open()
    return opened
  }

  async function round({
    isDryRun = false,
    signal,
  }: {
    isDryRun?: boolean | undefined
    signal?: AbortSignal | undefined
  } = {}): Promise<SetOffRound> {
    const { book, edges } = needs()
    try {
      const found = await edges.gather({ signal })
      const least = await book.least()
      const rings = findRings(found.edges, {
        through: book.identity.wallet.address,
        least,
        nowSeconds: book.nowSeconds() + LEAST_LIFE_SECONDS,
      })
      const done: FoundRing[] = []
      for (const ring of rings) {
        signal?.throwIfAborted()
        const own = ring.edges.filter(({ id }) => edges.isOwn(id))
        // Another device may have asked for the same meanwhile, and goes first.
        if (!own.every(({ id }) => book.holds.take(id, book.own))) continue
        const signed = await Promise.all(ring.edges.map(({ id }) => found.debt(id)))
        const one = await clear(ring, signed, isDryRun, signal)
        const settled = one.result === 'done' ? await lookAt(own) : false
        // Another device's word that it submitted is no more than that.
        done.push(one.result !== 'done' || settled ? one : { ...one, ...NOT_SEEN })
        log('set-off.ring', { channels: one.channels, amount: String(one.amount), why: one.why })
      }
      return { rings: done, unanswered: found.unanswered }
    } finally {
      book.holds.release(book.own)
    }
  }

  /** Refreshes rows after a set-off. @returns whether each settled more than before */
  async function lookAt(own: readonly Edge[]): Promise<boolean> {
    const rows = await Promise.all(own.map(({ id }) => needs().book.look(id)))
    return rows.every(({ settled }, i) => settled > (own[i] as Edge).seen.settled)
  }

  async function clear(
    { edges, amount }: Ring,
    debts: Debt[],
    isDryRun: boolean,
    signal: AbortSignal | undefined,
  ): Promise<FoundRing> {
    const { book, others } = needs()
    const found: FoundRing = {
      channels: edges.map(({ id }) => id),
      accounts: edges.map(({ config }) => config.payer),
      amount,
      ...{ gas: null, feeWei: null, result: 'found', why: null, transaction: null, by: null },
    }
    try {
      const cost = await book.chain.setOffCost(debts, amount)
      const priced = { ...found, ...cost }
      if (isDryRun) return priced
      const { native } = await book.chain.balances(book.identity.wallet.address)
      if (native >= cost.feeWei) {
        const { hash, gasUsed: gas, feeWei } = await book.chain.setOff(debts, amount)
        return { ...priced, gas, feeWei, result: 'done', transaction: hash, by: book.own }
      }
      const whys: string[] = []
      for (const device of await neighbours(found.channels)) {
        try {
          const transaction = await others.submit(device, debts, amount, signal)
          return { ...priced, result: 'done', transaction, by: device }
        } catch (error) {
          signal?.throwIfAborted()
          whys.push(error instanceof Error ? error.message : String(error))
        }
      }
      const why = `this device has no native coin for the gas, and was not helped: ${whys.join('; ')}`
      return { ...priced, result: 'no-coin', why }
    } catch (error) {
      if (error instanceof ChainError || !(error instanceof ClearingError)) throw error
      return { ...found, result: 'refused', why: error.message }
    }
  }

  /** Devices beside this one in a ring. */
  async function neighbours(channels: readonly Hex[]): Promise<Set<string>> {
    const rows = await Promise.all(channels.map((id) => tables.channels.get(id)))
    return new Set(rows.flatMap((row) => (row ? [row.peer] : [])))
  }

  return {
    round: (asked) =>
      isOff ? Promise.resolve({ rings: [], unanswered: [] }) : inTurn(() => round(asked)),
    serve: async (messages, peer) => {
      if (isOff) return messages.close()
      await needs().desk.serve(messages, peer)
    },
  }
}
