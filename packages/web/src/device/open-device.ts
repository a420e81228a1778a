import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { createDevice, type Device, type DeviceInit } from '@freehold/core/device/device'
import type { ModelSource } from '@freehold/core/device/parts'
import type { Engine } from '@freehold/core/engine/engine'
import type { Identity } from '@freehold/core/identity/identity'
import { type Log, systemClock, systemRandom } from '@freehold/core/platform'
import type { Storage } from '@freehold/core/storage'
import { fetchSource, type ReadSource } from '../engine/read-source.ts'
import { WASM_FILES } from '../engine/wasm-files.ts'
import { createWllamaEngine } from '../engine/wllama-engine.ts'
import { createModelSource } from '../models/model-source.ts'
import { createBlobTable } from '../storage/blob-table.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'

export interface OpenDeviceInit extends DeviceInit {
  /** Name of this device's database in the page's origin. */
  database: string
  /** Where the page finds models, by the names that it gives them; or what finds them. */
  models: Readonly<Record<string, string>> | ModelSource
  /** Owner phrase; absent: a device without keys, which can only answer by itself. */
  phrase?: string | undefined
  deviceIndex?: number | undefined
  /** A page can dial, and nobody can dial it; false opens no socket at all. @default true */
  dials?: boolean | undefined
  /** Relays at which others reach this page. @default none */
  relays?: readonly string[] | undefined
  chain?: ChainSettings | undefined
  /** Threads of llama.cpp. @default half of the cores, if the page is cross-origin isolated */
  threads?: number | undefined
  engine?: Engine | undefined
  /** Tables for models that Freehold ships none for. */
  calibration?: readonly CalibrationTable[] | undefined
  log?: Log | undefined
}

/**
 * A device in a page: hands everything that belongs to the platform to core. Keys, network and chain
 * are only loaded for a device that has them.
 */
export async function openDevice(init: OpenDeviceInit): Promise<Device> {
  const { database, phrase, chain, dials = true } = init
  const log = init.log ?? (() => {})
  const clock = systemClock
  const storage = await openIndexedDbStorage(database)
  const identity = phrase ? await identityOf(phrase, init.deviceIndex, storage) : null
  const headers = createBlobTable(storage.table('blobs'))
  const read: ReadSource = async (source, options) =>
    (headers.isSource(source) ? await headers.open(source) : null) ?? fetchSource(source, options)
  return createDevice(init, {
    clock,
    random: systemRandom,
    log,
    identity,
    storage,
    engine: init.engine ?? createWllamaEngine({ wasm: WASM_FILES, read, threads: init.threads }),
    models: isSource(init.models) ? init.models : createModelSource(init.models),
    headers,
    calibration: [...CALIBRATION, ...(init.calibration ?? [])],
    mesh: identity && dials ? await openMesh(identity, init.relays ?? [], log) : null,
    chain: identity && chain ? await chainOf(chain, identity, storage) : null,
  })
}

function isSource(models: OpenDeviceInit['models']): models is ModelSource {
  return typeof models.find === 'function'
}

async function identityOf(phrase: string, deviceIndex = 0, storage: Storage): Promise<Identity> {
  const [{ deriveIdentity }, { withMembership }] = await Promise.all([
    import('@freehold/core/identity/identity'),
    import('@freehold/core/device/pair-book'),
  ])
  return withMembership(await deriveIdentity(phrase, deviceIndex), storage.table('membership'))
}

/** Dials; with relays it is also reached. */
async function openMesh(identity: Identity, relays: readonly string[], log: Log) {
  const [{ createMesh }, { webSockets }, { webRTC, webRTCDirect }] = await Promise.all([
    import('@freehold/core/mesh/mesh'),
    import('@libp2p/websockets'),
    import('@libp2p/webrtc'),
  ])
  // An empty list is meant: libp2p's own would ask strangers how this device is seen.
  const rtcConfiguration = { iceServers: [] }
  const transports = [webSockets(), webRTCDirect({ rtcConfiguration })]
  if (relays.length === 0) return createMesh({ identity, listen: [] }, { transports, log })
  const { createReachability } = await import('@freehold/core/mesh/reachability')
  const reachability = createReachability(
    { relays },
    { transports: [webRTC({ rtcConfiguration })], log },
  )
  return createMesh({ identity, listen: [] }, { transports, reachability, log })
}

async function chainOf(chain: ChainSettings, { wallet }: Identity, storage: Storage) {
  const { createRpcChain } = await import('@freehold/core/clearing/rpc-chain')
  return createRpcChain(chain, {
    ...{ account: wallet, clock: systemClock, sent: storage.table('sent') },
  })
}
