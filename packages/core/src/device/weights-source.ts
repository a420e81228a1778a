import { withinTime } from '../abort.ts'
import { equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { asLendingError } from '../lending/duplex.ts'
import { messagesOver } from '../mesh/frames-over-stream.ts'
import type { Mesh } from '../mesh/mesh.ts'
import { WEIGHTS_PROTOCOL } from '../mesh/protocols.ts'
import { CHUNK_BYTES, type Manifest } from '../wire/manifest.ts'
import {
  decodeWeightsReply,
  encodeWeightsRequest,
  MAX_WEIGHTS_REPLY_BYTES,
  type WeightsReply,
  type WeightsRequest,
} from '../wire/weights-messages.ts'

/** What a seeder says that a file is made of. */
export interface ChunkList {
  sizeBytes: number
  /** SHA-256 of each chunk, one after the other. */
  hashes: Uint8Array
}

/** A seeder, and the stream to it. Calls may overlap: replies come in the order of the calls. */
export interface WeightsSource {
  /** Device key that the connection proved, hex. */
  device: string
  manifest(modelId: Uint8Array): Promise<Manifest>
  /** @throws LendingError `protocol` when the list does not fit its own size */
  list(sha256: Uint8Array): Promise<ChunkList>
  /** Bytes of a chunk, unchecked. */
  chunk(sha256: Uint8Array, index: number): Promise<Uint8Array>
  close(): Promise<void>
}

export interface OpenSourceInit {
  address: string
  /** For one reply, counted from the one before it. */
  replyMs: number
  connectMs: number
  signal: AbortSignal
}

/** @throws LendingError when nobody seeds there */
export async function openWeightsSource(
  { address, replyMs, connectMs, signal }: OpenSourceInit,
  { mesh }: { mesh: Pick<Mesh, 'open'> },
): Promise<WeightsSource> {
  const inTime = withinTime(signal, connectMs)
  const { stream, peer } = await mesh.open(address, WEIGHTS_PROTOCOL, { signal: inTime })
  const messages = messagesOver(stream, MAX_WEIGHTS_REPLY_BYTES)
  const cut = () => messages.abort(new Error('the pull ended'))
  signal.addEventListener('abort', cut, { once: true })
  let last: Promise<unknown> = Promise.resolve()

  /** Sends at once, and reads when the replies before have come. */
  function ask(request: WeightsRequest): Promise<WeightsReply> {
    const sent = messages.write(encodeWeightsRequest(request), {
      signal: withinTime(signal, replyMs),
    })
    const reply = last.then(async () => {
      await sent
      return readReply()
    })
    last = reply
    sent.catch(() => {})
    reply.catch(cut)
    return reply
  }

  async function readReply(): Promise<WeightsReply> {
    const late = withinTime(signal, replyMs)
    let reply: WeightsReply | null
    try {
      const data = await messages.read({ signal: late })
      reply = data && decodeWeightsReply(data)
    } catch (error) {
      signal.throwIfAborted()
      if (!late.aborted) throw asLendingError(error)
      const why = `no reply within ${replyMs} ms`
      throw new LendingError('deadline', { what: 'the seeder is silent', why, cause: error })
    }
    if (reply === null) throw new LendingError('lost', { what: 'the seeder hung up' })
    if (reply.kind !== 'refuse') return reply
    throw new LendingError('model', { what: 'the seeder refuses', why: reply.why })
  }

  return {
    device: toHex(peer),
    manifest: async (modelId) => {
      const reply = await ask({ kind: 'manifest', modelId })
      return reply.kind === 'manifest' ? reply.manifest : other(reply, 'a manifest')
    },
    list: async (sha256) => {
      const reply = await ask({ kind: 'hashes', sha256 })
      if (reply.kind !== 'hashes') return other(reply, 'a list of chunk hashes')
      const { sizeBytes, chunkHashes: hashes } = reply
      if (hashes.length === 0 || hashes.length !== 32 * Math.ceil(sizeBytes / CHUNK_BYTES)) {
        throw new LendingError('protocol', { what: 'the list of chunks does not fit the size' })
      }
      return { sizeBytes, hashes }
    },
    chunk: async (sha256, index) => {
      const reply = await ask({ kind: 'chunk', sha256, index })
      if (reply.kind === 'chunk' && reply.index === index) return reply.data
      return other(reply, `chunk ${index}`)
    },
    close: async () => {
      signal.removeEventListener('abort', cut)
      await messages.close()
    },
  }
}

function other(reply: WeightsReply, wanted: string): never {
  throw new LendingError('protocol', { what: `a ${reply.kind} came instead of ${wanted}` })
}

/** Whether a chunk is the one that a list names. */
export function isListed(
  { hashes }: ChunkList,
  index: number,
  data: Uint8Array,
  hash: (data: Uint8Array) => Uint8Array,
): boolean {
  return equal(hash(data), hashes.subarray(32 * index, 32 * (index + 1)))
}
