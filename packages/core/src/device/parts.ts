import type { CalibrationTable } from '../audit/calibration.ts'
import type { Standing } from '../audit/standing.ts'
import type { Budget, Ceilings, Spending } from '../clearing/budget.ts'
import type { Chain } from '../clearing/chain.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import type { TransactionRecord } from '../clearing/noted-chain.ts'
import type { VoucherCheck } from '../clearing/voucher.ts'
import type { Engine } from '../engine/engine.ts'
import type { Identity } from '../identity/identity.ts'
import type { Deadlines } from '../lending/deadlines.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Clock, Log, Random } from '../platform.ts'
import type { EgressEntry, EgressLog } from '../routing/egress-log.ts'
import type { Preference } from '../routing/score-offer.ts'
import type { Storage, Table } from '../storage.ts'
import type { Manifest } from '../wire/manifest.ts'
import type { Measurement } from './measurements.ts'
import type { ModelShelf } from './model-shelf.ts'
import type { Membership, PairBook, PairDoubt, PairRecord } from './pair-book.ts'
import type { Quarantine, QuarantineRecord } from './quarantine.ts'
import type {
  AnswerRecord,
  ContactRecord,
  HeaderRecord,
  LentRecord,
  OrderRecord,
  PeerRecord,
  RelayedRecord,
  WarmState,
} from './records.ts'
import type { SeededDay } from './seed-allowance.ts'
import type { SeederBan } from './seeders.ts'
import type { WarmLimits } from './warm-channels.ts'

/** A whole model that is on this platform. */
export interface ModelFile {
  /** What an engine loads it by. */
  source: string
  manifest: Manifest
  /**
   * SHA-256 of each 1 MiB piece of its file, one after the other: `chunkRoot` is the hash of this.
   * Empty when it has several files.
   */
  chunkHashes: Uint8Array
}

/** Finds whole models on this platform; names are aliases, the id is the SHA-256 of the bytes. */
export interface ModelSource {
  /** null: the name means nothing here. @throws ModelError when it means a file that is no sound model */
  find(name: string): Promise<ModelFile | null>
  /** Which names mean something here, in a sentence for the person. */
  readonly names: string
  /** Bytes of a model's file, fewer at its end. */
  read(source: string, from: number, count: number): Promise<Uint8Array>
}

/**
 * Where a platform keeps what core fetched and can fetch again, each under the SHA-256 of its bytes
 * in hex. Core checks what comes back: a platform need not.
 */
export interface BlobStore {
  /** null: it is not there. */
  get(sha256: string): Promise<Uint8Array | null>
  /** Keeps it whole, or not at all. */
  put(sha256: string, bytes: Uint8Array): Promise<void>
  remove(sha256: string): Promise<void>
  /** What an engine loads it by, when it is a model. */
  source(sha256: string): string
}

/**
 * With whom this device sets debts off: with nobody, with each device that owes it while it owes that
 * one, or also around rings of three, through friends.
 */
export type SetOffReach = 'off' | 'pairs' | 'friends'

/** Everything that a platform hands to core. Mesh, chain and identity may be absent: then the device is alone. */
export interface DeviceComponents {
  clock: Clock
  random: Random
  log: Log
  storage: Storage
  engine: Engine
  models: ModelSource
  /** Headers of models that are not here. */
  headers: BlobStore
  calibration: readonly CalibrationTable[]
  identity: Identity | null
  mesh: Mesh | null
  chain: Chain | null
  /** Checks vouchers quicker than portable code does. */
  checkVoucher?: VoucherCheck | undefined
}

/** The tables of a device. */
export interface Tables {
  channels: Table<ChannelRecord>
  answers: Table<AnswerRecord>
  lent: Table<LentRecord>
  standing: Table<Standing>
  peers: Table<PeerRecord>
  /** By device key, hex. */
  contacts: Table<ContactRecord>
  /** By manifest hash, hex. */
  headers: Table<HeaderRecord>
  egress: Table<EgressEntry>
  spending: Table<Spending>
  /** Handed to relayers, and submitted for others, by `orderId`. */
  orders: Table<OrderRecord>
  relayed: Table<RelayedRecord>
  /** How lenders did, by lender and model. */
  measurements: Table<Measurement>
  /** Devices that sent false weights, by their key in hex. */
  seeders: Table<SeederBan>
  /** What was seeded today. */
  seeded: Table<SeededDay>
  warm: Table<WarmState>
  /** By hash. */
  transactions: Table<TransactionRecord>
  /** Other devices of this owner that were paired, by their keys in hex. */
  pairs: Table<PairRecord>
  /** Devices that this one keeps as paired, and that never said so themselves, by their keys in hex. */
  pairDoubts: Table<PairDoubt>
  /** By whose word this device has the owner that it has, when not by its own phrase's. */
  membership: Table<Membership>
  /** By device key, hex. */
  quarantine: Table<QuarantineRecord>
}

/** What the parts of a device share. */
export interface Parts extends DeviceComponents {
  deadlines: Deadlines
  /** Whether a lender is asked to be ready for a next question. */
  readyAhead: boolean
  setOff: SetOffReach
  /** What the owner would rather have of lenders. */
  prefer: Preference
  /** Addresses by which it enters the network, besides the peer book. */
  bootstrap: readonly string[]
  /** Peer ids of devices that the owner calls friends. */
  friends: ReadonlySet<string>
  tables: Tables
  pairs: PairBook
  quarantine: Quarantine
  shelf: ModelShelf
  egress: EgressLog
  budget: Budget
  /** What the owner lets things cost; null: has not said yet. A terminal may ask meanwhile. */
  allowed: { ceilings: Ceilings | null }
  /** null: channels are opened by the owner alone. */
  warm: WarmLimits | null
}
