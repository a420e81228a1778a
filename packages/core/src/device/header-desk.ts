import { sha256 } from '@noble/hashes/sha2.js'
import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { plainText } from '../lending/duplex.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import {
  decodeHeaderRequest,
  encodeHeaderReply,
  type HeaderReply,
  type HeaderRequest,
} from '../wire/header-messages.ts'
import { MAX_HEADER_CHUNKS, MAX_MODEL_CHUNKS } from '../wire/limits.ts'
import { CHUNK_BYTES } from '../wire/manifest.ts'
import type { LentModels } from './lent-models.ts'
import type { ModelFile, ModelSource, Parts } from './parts.ts'
import { createPlaces } from './places.ts'
import { createRateLimit } from './rate-limit.ts'

/** Streams at once, and bytes within a minute: one whole header a minute, and some retries. */
export const HEADER_STREAMS = { running: 8, perDevice: 2, waiting: 0, waitMs: 0 }
export const HEADER_RATE = {
  windowMs: 60_000,
  perDevice: 64 * CHUNK_BYTES,
  inAll: 512 * CHUNK_BYTES,
}

/** A borrower asks once for the manifest, and at worst for each chunk by itself. */
export const MAX_HEADER_REQUESTS = MAX_HEADER_CHUNKS + 2

/** Serves the headers of the models that are lent, and no other byte of any file. */
export interface HeaderDesk {
  /** Answers one stream until the other side closes it. */
  serve(messages: MessageStream, peer: Uint8Array): Promise<void>
}

export type HeaderDeskComponents = Pick<Parts, 'clock' | 'deadlines'> & {
  models: Pick<ModelSource, 'read'>
}

export function createHeaderDesk(
  lent: Pick<LentModels, 'byId'>,
  { models, clock, deadlines }: HeaderDeskComponents,
): HeaderDesk {
  const places = createPlaces(HEADER_STREAMS, { clock })
  const rate = createRateLimit(HEADER_RATE, clock)

  async function answer(request: HeaderRequest, device: string): Promise<HeaderReply> {
    const { file, offered } = lent.byId(request.modelId)
    if (!equal(offered.manifestHash, request.manifestHash)) {
      refuse('the manifest of this model is another here')
    }
    const { chunkHashes, manifest, source } = file
    const { chunk: index } = request
    if (index === null) {
      if (chunkHashes.length > 32 * MAX_MODEL_CHUNKS) refuse('this model is too large for that')
      rate.take(device, chunkHashes.length)
      return { kind: 'manifest', manifest, chunkHashes }
    }
    if (index >= headerChunks(file)) refuse('this is no part of the header')
    rate.take(device, CHUNK_BYTES)
    const data = await models.read(source, index * CHUNK_BYTES, CHUNK_BYTES)
    const hash = chunkHashes.subarray(32 * index, 32 * (index + 1))
    if (!equal(sha256(data), hash)) refuse('the file of this model has changed')
    return { kind: 'chunk', index, data }
  }

  async function serve(messages: MessageStream, peer: Uint8Array): Promise<void> {
    const device = toHex(peer)
    const say = async (reply: HeaderReply) => {
      const signal = AbortSignal.timeout(deadlines.chunkMs)
      await messages.write(encodeHeaderReply(reply), { signal })
    }
    let release = () => {}
    try {
      release = await places.take(device)
      for (let asked = 0; asked < MAX_HEADER_REQUESTS; asked++) {
        const signal = AbortSignal.timeout(deadlines.handshakeMs)
        const data = await messages.read({ signal })
        if (data === null) return
        await say(await answer(decodeHeaderRequest(data), device))
      }
      refuse('these are too many requests')
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

/** How many chunks hold the header; none where the model has several files. */
function headerChunks({ manifest }: ModelFile): number {
  const [file] = manifest.files
  if (file === undefined || manifest.files.length > 1) return 0
  return Math.min(Math.ceil(file.headerBytes / CHUNK_BYTES), MAX_HEADER_CHUNKS)
}

function refuse(what: string): never {
  throw new LendingError('model', { what })
}
