import { sha256 } from '@noble/hashes/sha2.js'
import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { plainText } from '../lending/duplex.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import type { Clock } from '../platform.ts'
import { MAX_MODEL_CHUNKS } from '../wire/limits.ts'
import { CHUNK_BYTES, type Manifest } from '../wire/manifest.ts'
import {
  decodeWeightsRequest,
  encodeWeightsReply,
  type WeightsReply,
  type WeightsRequest,
} from '../wire/weights-messages.ts'
import { createPace } from './pace.ts'
import { createPlaces } from './places.ts'
import { createRateLimit } from './rate-limit.ts'
import type { SeedAllowance } from './seed-allowance.ts'
import { DEFAULT_SEED_RATE, WEIGHTS_REQUESTS, WEIGHTS_STREAMS } from './seed-limits.ts'

/** A puller that is still busy with what it has may be silent for so long. */
const IDLE_MS = 60_000
/** Half of what pullers wait for a reply, and of that some for the way. */
const REPLY_SECONDS = 10

/** A file of a model that is seeded. */
export interface SeededFile {
  file: Manifest['files'][number]
  /** SHA-256 of each of its chunks, one after the other. */
  chunkHashes: Uint8Array
  /** Bytes of the file, fewer at its end. */
  read: (from: number, count: number) => Promise<Uint8Array>
}

/** A model that its owner lets others have. */
export interface SeededModel {
  modelId: Uint8Array
  files: readonly SeededFile[]
}

export interface WeightsDeskInit {
  models: readonly SeededModel[]
  /** For all who pull, together. @default 4 MiB/s */
  bytesPerSecond?: number | undefined
}

export interface WeightsDeskComponents {
  clock: Clock
  allowance: SeedAllowance
  deadlines: { chunkMs: number }
  hash?: ((data: Uint8Array) => Uint8Array) | undefined
}

/** Hands models to whoever asks by their digest, within what the owner allows. */
export interface WeightsDesk {
  /** Answers one stream until the other side closes it. */
  serve(messages: MessageStream, peer: Uint8Array): Promise<void>
}

export function createWeightsDesk(
  { models, bytesPerSecond = DEFAULT_SEED_RATE }: WeightsDeskInit,
  { clock, allowance, deadlines, hash = sha256 }: WeightsDeskComponents,
): WeightsDesk {
  // Whoever has a place gets a chunk in time, however slow the owner wants it to be.
  const inTime = Math.floor((REPLY_SECONDS * bytesPerSecond) / CHUNK_BYTES)
  const running = Math.max(1, Math.min(WEIGHTS_STREAMS.running, inTime))
  const places = createPlaces({ ...WEIGHTS_STREAMS, running }, { clock })
  const rate = createRateLimit(WEIGHTS_REQUESTS, clock)
  const pace = createPace(bytesPerSecond, clock)
  const files = models.flatMap((model) => model.files)

  function fileOf(wanted: Uint8Array): SeededFile {
    const found = files.find(({ file }) => equal(file.sha256, wanted))
    if (found === undefined) return refuse('this file is not seeded here')
    if (found.chunkHashes.length > 32 * MAX_MODEL_CHUNKS) refuse('this file is too large for that')
    return found
  }

  async function answer(request: WeightsRequest, device: string): Promise<WeightsReply> {
    rate.take(device, 1)
    switch (request.kind) {
      case 'manifest': {
        const model = models.find(({ modelId }) => equal(modelId, request.modelId))
        if (model === undefined) return refuse('this model is not seeded here')
        return { kind: 'manifest', manifest: { files: model.files.map(({ file }) => file) } }
      }
      case 'hashes': {
        const { file, chunkHashes } = fileOf(request.sha256)
        await spend(device, chunkHashes.length)
        return { kind: 'hashes', sizeBytes: file.sizeBytes, chunkHashes }
      }
      case 'chunk': {
        const { index } = request
        const { chunkHashes, read } = fileOf(request.sha256)
        if (32 * index >= chunkHashes.length) refuse('the file has no such chunk')
        await spend(device, CHUNK_BYTES)
        const data = await read(index * CHUNK_BYTES, CHUNK_BYTES)
        const wanted = chunkHashes.subarray(32 * index, 32 * (index + 1))
        // A disk that rots would have this device taken for a liar.
        if (!equal(hash(data), wanted)) refuse('the file has changed')
        return { kind: 'chunk', index, data }
      }
    }
  }

  async function spend(device: string, bytes: number): Promise<void> {
    await allowance.take(device, bytes)
    await pace.take(bytes)
  }

  async function serve(messages: MessageStream, peer: Uint8Array): Promise<void> {
    const device = toHex(peer)
    const say = (reply: WeightsReply) =>
      messages.write(encodeWeightsReply(reply), { signal: AbortSignal.timeout(deadlines.chunkMs) })
    let release = () => {}
    try {
      release = await places.take(device)
      for (;;) {
        const data = await messages.read({ signal: AbortSignal.timeout(IDLE_MS) })
        if (data === null) break
        await say(await answer(decodeWeightsRequest(data), device))
      }
    } catch (error) {
      if (!(error instanceof LendingError) || error.reason === 'lost') throw error
      await say({ kind: 'refuse', why: plainText(error.what) })
    } finally {
      release()
    }
    await messages.close()
  }

  return { serve }
}

function refuse(what: string): never {
  throw new LendingError('model', { what })
}
