import type { Address } from 'viem'
import { type Budget, type Ceilings, createBudget, UNLIMITED } from '../clearing/budget.ts'
import type { Mined } from '../clearing/chain.ts'
import type { Keeper, KeeperInit } from '../clearing/keeper.ts'
import { noteTransactions } from '../clearing/noted-chain.ts'
import type { Model } from '../engine/engine.ts'
import { ClearingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { lazily } from '../lazily.ts'
import { DEFAULT_DEADLINES, type Deadlines } from '../lending/deadlines.ts'
import { createEgressLog, type EgressLog } from '../routing/egress-log.ts'
import { type AuditService, createAuditService } from './audits.ts'
import type { BorrowService } from './borrowing.ts'
import type { ChannelService } from './channels.ts'
import { type Completion, type CompletionInit, createCompletions } from './completions.ts'
import type { LendingService } from './lending.ts'
import { createModelShelf } from './model-shelf.ts'
import type { Network } from './network.ts'
import type { DeviceComponents, Parts, Tables } from './parts.ts'
import type { PeerService } from './peers.ts'
import type { Recovery } from './recovery.ts'
import type { WarmChannels, WarmLimits } from './warm-channels.ts'

export interface DeviceInit {
  deadlines?: Partial<Deadlines> | undefined
  keeper?: Partial<KeeperInit> | undefined
  /**
   * What borrowed answers may cost, where a request says nothing else; null: the owner has not said
   * yet, and nothing is borrowed for money without a word. @default no ceiling
   */
  ceilings?: Ceilings | null | undefined
  /** What this device may put into channels by itself. @default null, it opens none */
  warm?: WarmLimits | null | undefined
}

/** One device: own answers, borrowed answers, lending, audits, clearing. */
export interface Device extends AsyncDisposable {
  readonly identity: Identity | null
  readonly tables: Tables
  readonly egress: EgressLog
  readonly budget: Budget
  /** null without a chain. */
  readonly keeper: Keeper | null
  readonly peers: PeerService
  readonly channels: ChannelService
  readonly warm: WarmChannels
  readonly lending: LendingService
  readonly audits: AuditService
  readonly borrowing: BorrowService
  /** Token units in the wallet and in the ClearingHouse's ledger, and wei. @throws ChainError, ClearingError */
  balances(): Promise<{ wallet: bigint; ledger: bigint; native: bigint }>
  /** Moves earned token units from the ledger to an address. */
  withdraw(to: Address, amount: bigint): Promise<Mined>
  /** Finds its channels on the chain after its disk was lost. @throws ChainError, ClearingError */
  recover(init?: { fromBlock?: bigint | undefined; signal?: AbortSignal }): Promise<Recovery>
  /** Loads a model, or hands out the one that is loaded. */
  model(name: string): Promise<Model>
  /** Answers a conversation, here or by a peer, as scope and wish say. */
  complete(init: CompletionInit): Promise<Completion>
}

const KEEPER_DEFAULTS: KeeperInit = { worthUnits: 1_000_000n, maxAgeMs: 6 * 3_600_000 }

/** Puts the parts together. Starts nothing by itself: lending and the keeper are asked to. */
export function createDevice(init: DeviceInit, components: DeviceComponents): Device {
  const { storage, clock, log } = components
  const tables: Tables = {
    channels: storage.table('channels'),
    answers: storage.table('answers'),
    lent: storage.table('lent'),
    standing: storage.table('standing'),
    peers: storage.table('peers'),
    headers: storage.table('headers'),
    egress: storage.table('egress'),
    spending: storage.table('spending'),
    warm: storage.table('warm'),
    transactions: storage.table('transactions'),
  }
  const chain =
    components.chain &&
    noteTransactions(components.chain, { transactions: tables.transactions, clock })
  const parts: Parts = {
    ...components,
    chain,
    deadlines: { ...DEFAULT_DEADLINES, ...init.deadlines },
    tables,
    shelf: createModelShelf(components),
    egress: createEgressLog(tables.egress, clock),
    budget: createBudget(tables.spending, clock),
    warm: init.warm ?? null,
  }
  const keeper =
    chain === null
      ? null
      : lazily(async () =>
          (await import('../clearing/keeper.ts')).createKeeper(
            { ...KEEPER_DEFAULTS, ...init.keeper },
            { channels: tables.channels, chain, clock, log },
          ),
        )
  // Only a device that turns to others loads what that takes.
  let loading: Promise<Network> | null = null
  const network = (): Promise<Network> => {
    loading ??= import('./network.ts').then(({ createNetwork }) => createNetwork(parts, { audits }))
    return loading
  }
  const audits = createAuditService(parts, {
    elsewhere: lazily(async () => (await network()).ownAuditors),
  })
  const borrowing = lazily(async () => (await network()).borrowing)
  const wallet = () => {
    const { identity } = components
    if (identity === null) throw new ClearingError({ what: 'this device has no keys yet' })
    if (chain === null) {
      throw new ClearingError({
        what: 'this device has no chain to clear on',
        next: 'Name one in the settings or with --chain',
      })
    }
    return { chain, account: identity.wallet.address }
  }
  return {
    balances: async () => wallet().chain.balances(wallet().account),
    withdraw: async (to, amount) => wallet().chain.withdraw(to, amount),
    recover: async (init) => (await import('./recovery.ts')).recoverChannels(parts, init),
    identity: components.identity,
    tables,
    egress: parts.egress,
    budget: parts.budget,
    keeper,
    peers: lazily(async () => (await network()).peers),
    channels: lazily(async () => (await network()).channels),
    warm: lazily(async () => (await network()).warm),
    lending: lazily(async () => (await network()).lending),
    audits,
    borrowing,
    model: async (name) => (await parts.shelf.take(name)).model,
    complete: createCompletions(parts, {
      borrowing,
      lenders: lazily(async () => (await network()).lenders),
      headers: lazily(async () => (await network()).headers),
      ceilings: init.ceilings === undefined ? UNLIMITED : init.ceilings,
    }),
    [Symbol.asyncDispose]: async () => {
      await (await loading)?.borrowing.idle()
      await components.mesh?.[Symbol.asyncDispose]()
      await parts.shelf[Symbol.asyncDispose]()
      await (await loading)?.headers[Symbol.asyncDispose]()
      await components.engine[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
