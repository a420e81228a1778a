import { mkdirSync } from 'node:fs'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { createDevice, type Device, type DeviceInit } from '@freehold/core/device/device'
import type { Engine } from '@freehold/core/engine/engine'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { createMesh } from '@freehold/core/mesh/mesh'
import { type Log, systemClock, systemRandom } from '@freehold/core/platform'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { http } from 'viem'
import type { ChainSettings, Paths } from '../config.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { createModelSource } from '../models/model-source.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'

export interface OpenDeviceInit extends DeviceInit {
  paths: Paths
  /** Owner phrase; absent: a device without keys, which can only answer by itself. */
  phrase?: string | undefined
  deviceIndex?: number | undefined
  /** Multiaddrs to listen on, or null for a device that opens no socket at all. */
  listen?: readonly string[] | null | undefined
  chain?: ChainSettings | undefined
  /** Answers with another engine than llama.cpp: for tests and the demo's dishonest lenders. */
  engine?: Engine | undefined
  log?: Log | undefined
}

/** A device on Node: hands everything that belongs to the platform to core. */
export async function openDevice(init: OpenDeviceInit): Promise<Device> {
  const { paths, phrase, chain, listen = null } = init
  const log = init.log ?? (() => {})
  const clock = systemClock
  mkdirSync(paths.models, { recursive: true, mode: 0o700 })
  const identity: Identity | null = phrase
    ? await deriveIdentity(phrase, init.deviceIndex ?? 0)
    : null
  return createDevice(init, {
    clock,
    random: systemRandom,
    log,
    identity,
    storage: openSqliteStorage(paths.database),
    engine: init.engine ?? createLlamaEngine(),
    models: createModelSource(),
    calibration: CALIBRATION,
    mesh:
      identity && listen
        ? await createMesh({ identity, listen }, { transports: [tcp(), webSockets()], log })
        : null,
    chain:
      identity && chain
        ? createViemChain(
            {
              house: { chainId: chain.chainId, address: chain.house },
              token: chain.token,
              account: identity.wallet,
            },
            { transport: http(chain.rpc, { timeout: 5_000, retryCount: 1 }), clock },
          )
        : null,
  })
}
