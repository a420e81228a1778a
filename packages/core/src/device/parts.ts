import type { CalibrationTable } from '../audit/calibration.ts'
import type { Standing } from '../audit/standing.ts'
import type { Chain } from '../clearing/chain.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import type { Engine } from '../engine/engine.ts'
import type { Identity } from '../identity/identity.ts'
import type { Deadlines } from '../lending/deadlines.ts'
import type { Mesh } from '../mesh/mesh.ts'
import type { Clock, Log, Random } from '../platform.ts'
import type { EgressEntry, EgressLog } from '../routing/egress-log.ts'
import type { Storage, Table } from '../storage.ts'
import type { Manifest } from '../wire/manifest.ts'
import type { ModelShelf } from './model-shelf.ts'
import type { AnswerRecord, LentRecord, PeerRecord } from './records.ts'

/** Finds models on this platform; names are aliases, the id is the SHA-256 of the bytes. */
export interface ModelSource {
  /** @throws ModelError when the name means nothing here */
  resolve(name: string): Promise<{ source: string; manifest: Manifest }>
}

/** Everything that a platform hands to core. Mesh, chain and identity may be absent: then the device is alone. */
export interface DeviceComponents {
  clock: Clock
  random: Random
  log: Log
  storage: Storage
  engine: Engine
  models: ModelSource
  calibration: readonly CalibrationTable[]
  identity: Identity | null
  mesh: Mesh | null
  chain: Chain | null
}

/** The tables of a device. */
export interface Tables {
  channels: Table<ChannelRecord>
  answers: Table<AnswerRecord>
  lent: Table<LentRecord>
  standing: Table<Standing>
  peers: Table<PeerRecord>
  egress: Table<EgressEntry>
}

/** What the parts of a device share. */
export interface Parts extends DeviceComponents {
  deadlines: Deadlines
  tables: Tables
  shelf: ModelShelf
  egress: EgressLog
}
