import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import type { Chain } from '@freehold/core/clearing/chain'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { VoucherCheck } from '@freehold/core/clearing/voucher'
import { createDevice, type Device, type DeviceInit } from '@freehold/core/device/device'
import type { ModelSource } from '@freehold/core/device/parts'
import type { Engine } from '@freehold/core/engine/engine'
import type { Identity } from '@freehold/core/identity/identity'
import type { DiscoveryInit } from '@freehold/core/mesh/discovery'
import type { Mesh } from '@freehold/core/mesh/mesh'
import type { MeshLimits } from '@freehold/core/mesh/mesh-limits'
import { type Clock, type Log, systemClock, systemRandom } from '@freehold/core/platform'
import type { Storage } from '@freehold/core/storage'
import type { Paths } from '../config.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import type { NodeReachInit } from '../mesh/open-mesh.ts'
import { openModelLibrary } from '../models/library.ts'
import { createModelSource } from '../models/model-source.ts'
import { createBlobFolder } from '../storage/blob-folder.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import { systemError } from '../storage/system-error.ts'

/** The ways to find others; what is not named is off. */
export type DiscoveryWays = Pick<DiscoveryInit, 'dht' | 'gossip'> & { mdns?: boolean | undefined }

export interface OpenDeviceInit extends DeviceInit {
  paths: Paths
  /** Owner phrase; absent: a device without keys, which can only answer by itself. */
  phrase?: string | undefined
  deviceIndex?: number | undefined
  /** Multiaddrs to listen on, or null for a device that opens no socket at all. */
  listen?: readonly string[] | null | undefined
  /** How it finds others. @default it does not: it knows those alone that it is told of */
  discovery?: DiscoveryWays | undefined
  /** Relays and what else takes it to be reached. @default off: nothing but addresses that it is told */
  reach?: NodeReachInit | undefined
  chain?: ChainSettings | undefined
  /** Answers with another engine than llama.cpp: for tests and the demo's dishonest lenders. */
  engine?: Engine | undefined
  /** Finds other models than those of this device's library: for tests. */
  models?: ModelSource | undefined
  /** Tables for models that Freehold ships none for. */
  calibration?: readonly CalibrationTable[] | undefined
  log?: Log | undefined
  /** Another time than the system's, and another network than the opened one: for tests. */
  clock?: Clock | undefined
  changeMesh?: ((mesh: Mesh) => Mesh) | undefined
  /** More than the usual limits: for tests, whose devices all have one network address. */
  limits?: Partial<MeshLimits> | undefined
  /** Whether it may answer from a home that cannot be written: only without keys. @default false */
  mayForget?: boolean | undefined
}

/** A device on Node: hands everything that belongs to the platform to core. */
export async function openDevice(init: OpenDeviceInit): Promise<Device> {
  const { paths, phrase, chain, listen = null } = init
  const log = init.log ?? (() => {})
  const { clock = systemClock, changeMesh = (mesh) => mesh } = init
  const library = openModelLibrary({ paths })
  const storage = await openStorage(paths.database, init.mayForget ?? false)
  const identity = phrase
    ? await identityOf(phrase, init.deviceIndex ?? 0, storage).catch(async (error) => {
        await storage[Symbol.asyncDispose]()
        throw error
      })
    : null
  return createDevice(init, {
    clock,
    random: systemRandom,
    log,
    identity,
    storage,
    engine:
      init.engine ??
      createLlamaEngine({ modelIdAt: (path, init) => library.modelIdAt(path, init) }),
    models: init.models ?? createModelSource(library),
    headers: createBlobFolder(paths.headers),
    calibration: [...CALIBRATION, ...(init.calibration ?? [])],
    mesh:
      identity && listen
        ? changeMesh(await openMesh(identity, listen, init, { log, storage }))
        : null,
    chain: identity && chain ? await openChain(identity, chain, { clock, storage }) : null,
    checkVoucher: lazyVoucherCheck(),
  })
}

/** What an own answer writes down is worth nothing: a home that cannot be written stops none. */
async function openStorage(path: string, mayForget: boolean): Promise<Storage> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSqliteStorage(path)
  } catch (error) {
    if (!mayForget || systemError(error) === null) throw error
    const { createMemoryStorage } = await import('@freehold/core/storage.memory')
    return createMemoryStorage()
  }
}

// Keys, network and chain are loaded only by a device that has them: an own answer starts without.

async function identityOf(phrase: string, index: number, storage: Storage): Promise<Identity> {
  const [{ deriveIdentity }, { withMembership }] = await Promise.all([
    import('@freehold/core/identity/identity'),
    import('@freehold/core/device/pair-book'),
  ])
  return withMembership(await deriveIdentity(phrase, index), storage.table('membership'))
}

async function openMesh(
  identity: Identity,
  listen: readonly string[],
  { discovery, reach, limits }: Pick<OpenDeviceInit, 'discovery' | 'reach' | 'limits'>,
  { log, storage }: { log: Log; storage: Storage },
): Promise<Mesh> {
  const mesh = await import('../mesh/open-mesh.ts')
  return mesh.openMesh(
    { identity, listen, discovery, reach, limits },
    { log, certificates: storage.table('web-rtc') },
  )
}

async function openChain(
  { wallet }: Identity,
  settings: ChainSettings,
  { clock, storage }: { clock: Clock; storage: Storage },
): Promise<Chain> {
  const { createRpcChain } = await import('@freehold/core/clearing/rpc-chain')
  return createRpcChain(settings, { account: wallet, clock, sent: storage.table('sent') })
}

function lazyVoucherCheck(): VoucherCheck {
  let loading: Promise<VoucherCheck> | null = null
  return async (...voucher) => {
    loading ??= import('../chain/native-voucher-check.ts').then((module) =>
      module.createNativeVoucherCheck(),
    )
    return (await loading)(...voucher)
  }
}
