import { createHash } from 'node:crypto'
import { equal, fromHex } from '@freehold/core/bytes'
import { createPace } from '@freehold/core/device/pace'
import type { SeederBans, Seeders } from '@freehold/core/device/seeders'
import { type FetchedWeights, fetchWeights } from '@freehold/core/device/weights-fetch'
import type { WeightsSource } from '@freehold/core/device/weights-source'
import { FreeholdError, LendingError, ModelError } from '@freehold/core/errors'
import { type Log, systemClock } from '@freehold/core/platform'
import { type Manifest, manifestHash } from '@freehold/core/wire/manifest'
import { openPartSink } from './part-sink.ts'
import type { FileHashes } from './read-model-file.ts'

/** Other devices that models are pulled from. */
export interface Swarm {
  seeders: Seeders
  bans: SeederBans
  /** Opens a stream to a seeder. @throws LendingError */
  connect(address: string, signal: AbortSignal): Promise<WeightsSource>
  /** Called before the first byte leaves: which model somebody wants is their business. */
  onAsk(digest: string, addresses: readonly string[]): Promise<void>
  /** null: as fast as it goes. */
  bytesPerSecond: number | null
  log: Log
}

export interface PeerFile {
  /** Hex. */
  sha256: string
  sizeBytes: number | null
  /** Where somebody trusted says it. */
  chunkRoot: Uint8Array | null
}

export interface PeerFetchInit {
  /** The part file. */
  path: string
  /** What seeders know the model by. */
  modelId: string
  onBytes?: ((bytes: number, sizeBytes: number) => void) | undefined
  onVerify?: ((sizeBytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Fetches one file from peers, as far as they go.
 * @returns null when no peer has it, or none has all of it: what came is kept in the part file
 * @throws the file system's error, ModelError when the disk is too full, the signal's reason
 */
export async function fetchFromPeers(
  file: PeerFile,
  init: PeerFetchInit,
  swarm: Swarm,
): Promise<{ hashes: FileHashes; fetched: FetchedWeights } | null> {
  const { signal } = init
  const addresses = await swarm.seeders.findSeeders(init.modelId, { signal })
  if (addresses.length === 0) return null
  await swarm.onAsk(init.modelId, addresses)
  const sha256 = fromHex(file.sha256)
  await using sink = openPartSink({ path: init.path, sha256, onVerify: init.onVerify, signal })
  try {
    const { sizeBytes, chunkRoot } = file
    const fetched = await fetchWeights(
      { sha256, sizeBytes, chunkRoot, addresses, onBytes: init.onBytes, signal },
      {
        connect: swarm.connect,
        sink,
        bans: swarm.bans,
        pace: createPace(swarm.bytesPerSecond, systemClock),
        clock: systemClock,
        log: swarm.log,
        hash: nativeSha256,
      },
    )
    const hashes = sink.hashes()
    return hashes && { hashes, fetched }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof LendingError)) throw error
    swarm.log('pull.peers', { error: error.message })
    return null
  }
}

/**
 * What a model is made of, by its id, as peers say it. Of several files the id is the manifest's hash:
 * then each chunk root in it is proven.
 * @throws ModelError when no peer that is known has it
 */
export async function findAtPeers(
  modelId: string,
  swarm: Swarm,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<PeerFile[]> {
  const { signal = new AbortController().signal } = init
  const addresses = await swarm.seeders.findSeeders(modelId, { signal })
  if (addresses.length > 0) await swarm.onAsk(modelId, addresses)
  const id = fromHex(modelId)
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  const ask = async (address: string): Promise<PeerFile[]> => {
    const source = await swarm.connect(address, either)
    if (await swarm.bans.has(source.device)) throw new Error('it was banned')
    return filesOf(id, await source.manifest(id))
  }
  try {
    return await Promise.any(addresses.map(ask))
  } catch (error) {
    signal.throwIfAborted()
    const errors: unknown[] = error instanceof AggregateError ? error.errors : [error]
    throw new ModelError({
      what: `no peer has a model ${modelId}`,
      why:
        addresses.length === 0
          ? 'no peer is known'
          : `${addresses.length} were asked: ${reasonOf(errors[0])}`,
      next: 'Name one that seeds it with --peer, or pull it from its host: freehold pull hf.co/USER/REPO',
    })
  } finally {
    done.abort()
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof FreeholdError) return error.why ?? error.what
  return error instanceof Error ? error.message : String(error)
}

/** Of one file only its hash is known from the id; a peer's word on the rest is left to the fetch. */
function filesOf(modelId: Uint8Array, manifest: Manifest): PeerFile[] {
  const [only] = manifest.files
  const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  if (only && manifest.files.length === 1 && equal(only.sha256, modelId)) {
    return [{ sha256: toHex(modelId), sizeBytes: null, chunkRoot: null }]
  }
  if (manifest.files.length < 2 || !equal(manifestHash(manifest), modelId)) {
    throw new LendingError('protocol', { what: 'its manifest is not the model’s' })
  }
  return manifest.files.map(({ sha256, sizeBytes, chunkRoot }) => ({
    sha256: toHex(sha256),
    sizeBytes,
    chunkRoot,
  }))
}

/** Many times quicker than portable code. */
export function nativeSha256(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(data).digest()
}
