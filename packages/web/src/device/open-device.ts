import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import { type ChainSettings, createRpcChain } from '@freehold/core/clearing/rpc-chain'
import { createDevice, type Device, type DeviceInit } from '@freehold/core/device/device'
import type { Engine } from '@freehold/core/engine/engine'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { createMesh } from '@freehold/core/mesh/mesh'
import { type Log, systemClock, systemRandom } from '@freehold/core/platform'
import { webSockets } from '@libp2p/websockets'
import { fetchSource, type ReadSource } from '../engine/read-source.ts'
import { WASM_FILES } from '../engine/wasm-files.ts'
import { createWllamaEngine } from '../engine/wllama-engine.ts'
import { createModelSource } from '../models/model-source.ts'
import { createBlobTable } from '../storage/blob-table.ts'
import { openIndexedDbStorage } from '../storage/indexed-db-storage.ts'

export interface OpenDeviceInit extends DeviceInit {
  /** Name of this device's database in the page's origin. */
  database: string
  /** Where the page finds models, by the names that it gives them. */
  models: Readonly<Record<string, string>>
  /** Owner phrase; absent: a device without keys, which can only answer by itself. */
  phrase?: string | undefined
  deviceIndex?: number | undefined
  /** A page can dial, and nobody can dial it; false opens no socket at all. @default true */
  dials?: boolean | undefined
  chain?: ChainSettings | undefined
  /** Threads of llama.cpp. @default half of the cores, if the page is cross-origin isolated */
  threads?: number | undefined
  engine?: Engine | undefined
  /** Tables for models that Freehold ships none for. */
  calibration?: readonly CalibrationTable[] | undefined
  log?: Log | undefined
}

/** A device in a page: hands everything that belongs to the platform to core. */
export async function openDevice(init: OpenDeviceInit): Promise<Device> {
  const { database, phrase, chain, dials = true } = init
  const log = init.log ?? (() => {})
  const clock = systemClock
  const identity: Identity | null = phrase
    ? await deriveIdentity(phrase, init.deviceIndex ?? 0)
    : null
  const transports = [webSockets()]
  const storage = await openIndexedDbStorage(database)
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
    models: createModelSource(init.models),
    headers,
    calibration: [...CALIBRATION, ...(init.calibration ?? [])],
    mesh:
      identity && dials ? await createMesh({ identity, listen: [] }, { transports, log }) : null,
    chain: identity && chain ? createRpcChain(chain, { account: identity.wallet, clock }) : null,
  })
}
