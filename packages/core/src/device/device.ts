import { type Budget, type Ceilings, createBudget, UNLIMITED } from '../clearing/budget.ts'
import { type Chain, NAME_A_CHAIN } from '../clearing/chain.ts'
import type { Keeper, KeeperInit } from '../clearing/keeper.ts'
import { noteTransactions } from '../clearing/noted-chain.ts'
import type { Model } from '../engine/engine.ts'
import { ClearingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { lazily } from '../lazily.ts'
import { DEFAULT_DEADLINES, type Deadlines } from '../lending/deadlines.ts'
import { createEgressLog, type EgressLog } from '../routing/egress-log.ts'
import type { Reach, Travelling } from '../routing/policy.ts'
import type { Rule } from '../routing/rules.ts'
import type { Preference } from '../routing/score-offer.ts'
import { type AuditService, createAuditService } from './audits.ts'
import type { BorrowService } from './borrowing.ts'
import type { ChannelService } from './channels.ts'
import { type Completion, type CompletionInit, createCompletions } from './completions.ts'
import type { DiscoveringService } from './discovering.ts'
import type { LenderService } from './lenders.ts'
import type { LendingService } from './lending.ts'
import { createModelShelf } from './model-shelf.ts'
import type { Network } from './network.ts'
import { createPairBook, type PairBook } from './pair-book.ts'
import type { PairingService } from './pairing.ts'
import type { DeviceComponents, Parts, SetOffReach, Tables } from './parts.ts'
import type { PeerService } from './peers.ts'
import { createQuarantine } from './quarantine.ts'
import type { Recovery } from './recovery.ts'
import type { SeedService } from './seeding.ts'
import type { SetOffService } from './set-off.ts'
import type { WalletService } from './wallet.ts'
import type { WarmChannels, WarmLimits } from './warm-channels.ts'

export interface DeviceInit {
  deadlines?: Partial<Deadlines> | undefined
  /**
   * Whether a lender is asked to be ready for a next question once an answer is there: for devices that
   * hold conversations, and not for a single question. @default false
   */
  readyAhead?: boolean | undefined
  keeper?: Partial<KeeperInit> | undefined
  /**
   * What borrowed answers may cost, where a request says nothing else; null: the owner has not said
   * yet, and nothing is borrowed for money without a word. @default no ceiling
   */
  ceilings?: Ceilings | null | undefined
  /** With whom debts are set off, and whether channels that are opened allow it. @default 'pairs' */
  setOff?: SetOffReach | undefined
  /** Whether lenders are chosen for their price, their speed, or both. @default 'balanced' */
  prefer?: Preference | undefined
  /** Addresses of devices by which it enters the network. @default those that it has met */
  bootstrap?: readonly string[] | undefined
  /** Devices that the owner calls friends, by their peer ids (`12D3Koo…`). */
  friends?: readonly string[] | undefined
  /** What the owner lets travel how far, besides what never does. @default no rule */
  rules?: readonly Rule[] | undefined
  /** What this device may put into channels by itself. @default null, it opens none */
  warm?: WarmLimits | null | undefined
}

/** One device: own answers, borrowed answers, lending, audits, clearing. */
export interface Device extends AsyncDisposable {
  readonly identity: Identity | null
  /** null without one, or without keys. */
  readonly chain: Chain | null
  readonly tables: Tables
  readonly egress: EgressLog
  readonly budget: Budget
  /** null without a chain. */
  readonly keeper: Keeper | null
  readonly peers: PeerService
  readonly lenders: LenderService
  readonly pairs: PairBook
  readonly pairing: PairingService
  readonly discovering: Pick<DiscoveringService, 'look' | 'greet' | 'follow' | 'state'>
  readonly channels: ChannelService
  readonly warm: WarmChannels
  readonly lending: LendingService
  /** Hands models to whoever asks by their digest; off until it is started. */
  readonly seeding: SeedService
  readonly audits: AuditService
  readonly borrowing: BorrowService
  readonly setOff: SetOffService
  /** What moves this device's own money on the chain. */
  readonly wallet: WalletService
  /** Token units in the wallet and in the ClearingHouse's ledger, and wei. @throws ChainError, ClearingError */
  balances(): Promise<{ wallet: bigint; ledger: bigint; native: bigint }>
  /** Finds its channels on the chain after its disk was lost. @throws ChainError, ClearingError */
  recover(init?: { fromBlock?: bigint | undefined; signal?: AbortSignal }): Promise<Recovery>
  /** Loads a model, or hands out the one that is loaded. */
  model(name: string): Promise<Model>
  /** How far a request may travel by the owner's rules, as far as they need not look into it. */
  reach(request: Travelling): Promise<Reach>
  /** Answers a conversation, here or by a peer, as scope and wish say. */
  complete(init: CompletionInit): Promise<Completion>
}

const KEEPER_DEFAULTS: KeeperInit = {
  worthUnits: 1_000_000n,
  unitsPerCoin: null,
  maxAgeMs: 6 * 3_600_000,
}

/** Puts the parts together. Starts nothing by itself: lending and the keeper are asked to. */
export function createDevice(init: DeviceInit, components: DeviceComponents): Device {
  const { storage, clock, log } = components
  const { rules = [] } = init
  const tables: Tables = {
    channels: storage.table('channels'),
    answers: storage.table('answers'),
    lent: storage.table('lent'),
    standing: storage.table('standing'),
    peers: storage.table('peers'),
    contacts: storage.table('contacts'),
    headers: storage.table('headers'),
    egress: storage.table('egress'),
    spending: storage.table('spending'),
    orders: storage.table('orders'),
    relayed: storage.table('relayed'),
    measurements: storage.table('measurements'),
    seeders: storage.table('seeders'),
    seeded: storage.table('seeded'),
    warm: storage.table('warm'),
    transactions: storage.table('transactions'),
    pairs: storage.table('pairs'),
    pairDoubts: storage.table('pair-doubts'),
    membership: storage.table('membership'),
    quarantine: storage.table('quarantine'),
  }
  const chain =
    components.chain &&
    noteTransactions(components.chain, {
      account: components.identity?.wallet.address ?? null,
      transactions: tables.transactions,
      clock,
      log,
    })
  const parts: Parts = {
    ...components,
    chain,
    deadlines: { ...DEFAULT_DEADLINES, ...init.deadlines },
    readyAhead: init.readyAhead ?? false,
    setOff: init.setOff ?? 'pairs',
    prefer: init.prefer ?? 'balanced',
    bootstrap: init.bootstrap ?? [],
    friends: new Set(init.friends),
    tables,
    pairs: createPairBook({ tables }),
    quarantine: createQuarantine(tables.quarantine, clock),
    shelf: createModelShelf(components),
    egress: createEgressLog(tables.egress, clock),
    budget: createBudget(tables.spending, clock),
    allowed: { ceilings: init.ceilings === undefined ? UNLIMITED : init.ceilings },
    warm: init.warm ?? null,
  }
  const keeping: KeeperInit = { ...KEEPER_DEFAULTS, ...init.keeper }
  const keeper =
    chain === null
      ? null
      : lazily(async () =>
          (await import('../clearing/keeper.ts')).createKeeper(keeping, {
            channels: tables.channels,
            chain,
            clock,
            log,
          }),
        )
  // Only a device that turns to others loads what that takes.
  let loading: Promise<Network> | null = null
  const network = (): Promise<Network> => {
    loading ??= import('./network.ts').then(({ createNetwork }) =>
      createNetwork(parts, { audits, worth: keeping }),
    )
    return loading
  }
  const audits = createAuditService(parts, {
    elsewhere: lazily(async () => (await network()).ownAuditors),
  })
  const borrowing = lazily(async () => (await network()).borrowing)
  const lenders = lazily(async () => (await network()).lenders)
  const wallet = () => {
    const { identity } = components
    if (identity === null) throw new ClearingError({ what: 'this device has no keys yet' })
    if (chain === null) {
      throw new ClearingError({
        what: 'this device has no chain to clear on',
        next: NAME_A_CHAIN,
      })
    }
    return { chain, account: identity.wallet.address }
  }
  return {
    balances: async () => wallet().chain.balances(wallet().account),
    recover: async (init) => (await import('./recovery.ts')).recoverChannels(parts, init),
    identity: components.identity,
    chain,
    tables,
    egress: parts.egress,
    budget: parts.budget,
    keeper,
    peers: lazily(async () => (await network()).peers),
    lenders,
    pairs: parts.pairs,
    pairing: lazily(async () => (await network()).pairing),
    discovering: lazily<Device['discovering']>(async () => (await network()).discovering),
    channels: lazily(async () => (await network()).channels),
    warm: lazily(async () => (await network()).warm),
    lending: lazily(async () => (await network()).lending),
    seeding: lazily(async () => (await network()).seeding),
    audits,
    borrowing,
    setOff: lazily(async () => (await network()).setOff),
    wallet: lazily(async () => (await network()).wallet),
    model: async (name) => (await parts.shelf.take(name)).model,
    reach: async (request) => (await import('../routing/policy.ts')).reachOf(rules, request),
    complete: createCompletions(parts, {
      rules,
      borrowing,
      lenders,
      headers: lazily(async () => (await network()).headers),
    }),
    [Symbol.asyncDispose]: async () => {
      await (await loading)?.lending[Symbol.asyncDispose]()
      const borrowing = (await loading)?.borrowing
      await borrowing?.rest()
      await borrowing?.idle()
      await (await loading)?.discovering[Symbol.asyncDispose]()
      await components.mesh?.[Symbol.asyncDispose]()
      await parts.shelf[Symbol.asyncDispose]()
      await (await loading)?.headers[Symbol.asyncDispose]()
      await components.engine[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
