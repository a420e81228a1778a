import { sha256 } from '@noble/hashes/sha2.js'
import { withinTime } from '../abort.ts'
import { concat, equal, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import { asLendingError } from '../lending/duplex.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import {
  decodeHeaderReply,
  encodeHeaderRequest,
  type HeaderReply,
  type HeaderRequest,
} from '../wire/header-messages.ts'
import { MAX_HEADER_CHUNKS, MAX_MODEL_CHUNKS } from '../wire/limits.ts'
import { CHUNK_BYTES, type Manifest, manifestHash } from '../wire/manifest.ts'
import type { BlobStore, Parts } from './parts.ts'

/** Which header: as an offer names it. */
export type HeaderName = Pick<HeaderRequest, 'modelId' | 'manifestHash'>

/** A manifest that belongs to its name, and the list of chunk hashes that belongs to it. */
export interface HeaderPlan {
  manifest: Manifest
  file: Manifest['files'][number]
  chunkHashes: Uint8Array
  /** Chunks that hold the header. */
  chunks: number
}

/** One lender's stream, and how long it may take. */
interface FetchFrom {
  messages: MessageStream
  deadlines: Parts['deadlines']
  signal?: AbortSignal | undefined
}

/** Asks for manifest and chunk hashes. @throws LendingError when they are not what the offer names */
export async function fetchPlan(name: HeaderName, from: FetchFrom): Promise<HeaderPlan> {
  await ask(name, null, from)
  const reply = await next(from, from.deadlines.handshakeMs, 'manifest')
  if (reply.kind !== 'manifest') return doesNotHold(`a ${reply.kind} came instead of a manifest`)
  return planOf(name, reply.manifest, reply.chunkHashes)
}

/** Checks manifest and chunk hashes against a name. @throws LendingError `protocol` */
export function planOf(
  { modelId, manifestHash: expected }: HeaderName,
  manifest: Manifest,
  chunkHashes: Uint8Array,
): HeaderPlan {
  if (!equal(manifestHash(manifest), expected)) doesNotHold('its manifest is not the offered one')
  const [file] = manifest.files
  if (file === undefined || manifest.files.length > 1) {
    return doesNotHold('models of several files are not borrowed without holding them')
  }
  if (!equal(file.sha256, modelId)) doesNotHold('its manifest is another model’s')
  const { sizeBytes, headerBytes, chunkRoot } = file
  const chunks = Math.ceil(headerBytes / CHUNK_BYTES)
  if (headerBytes === 0 || headerBytes > sizeBytes) doesNotHold('its size makes no sense')
  if (chunks > MAX_HEADER_CHUNKS) {
    doesNotHold(`it has ${headerBytes} bytes, and at most ${MAX_HEADER_CHUNKS} MiB are fetched`)
  }
  const all = Math.ceil(sizeBytes / CHUNK_BYTES)
  if (all > MAX_MODEL_CHUNKS) doesNotHold('the model is too large')
  const isList = chunkHashes.length === 32 * all && equal(sha256(chunkHashes), chunkRoot)
  if (!isList) doesNotHold('its list of chunk hashes is not the manifest’s')
  return { manifest, file, chunkHashes, chunks }
}

/**
 * Fetches what is missing of a header, and keeps each chunk as soon as its hash is right.
 * @returns the chunks one after the other
 * @throws LendingError; what is kept by then need not be fetched again
 */
export async function fetchChunks(
  plan: HeaderPlan,
  name: HeaderName,
  from: FetchFrom & { blobs: BlobStore; onChunk: (done: number, all: number) => void },
): Promise<Uint8Array> {
  const { blobs, onChunk, deadlines } = from
  const chunks: Uint8Array[] = []
  for (let index = 0; index < plan.chunks; index++) {
    onChunk(index, plan.chunks)
    const hash = hashOf(plan, index)
    const kept = await blobs.get(toHex(hash))
    if (kept !== null && equal(sha256(kept), hash)) {
      chunks.push(kept)
      continue
    }
    await ask(name, index, from)
    const reply = await next(from, deadlines.chunkMs, 'chunk of the header')
    if (reply.kind !== 'chunk' || reply.index !== index) {
      return doesNotHold(`a ${reply.kind} came instead of chunk ${index}`)
    }
    if (!equal(sha256(reply.data), hash)) doesNotHold(`chunk ${index} has another hash`)
    await blobs.put(toHex(hash), reply.data)
    chunks.push(reply.data)
  }
  onChunk(plan.chunks, plan.chunks)
  return concat(...chunks)
}

/** SHA-256 of one chunk, as its manifest has it. */
export function hashOf({ chunkHashes }: HeaderPlan, index: number): Uint8Array {
  return chunkHashes.subarray(32 * index, 32 * (index + 1))
}

/** @param name often a whole offer, of which only the name is sent */
async function ask(
  { modelId, manifestHash: hash }: HeaderName,
  chunk: HeaderRequest['chunk'],
  { messages, deadlines, signal }: FetchFrom,
) {
  const inTime = withinTime(signal, deadlines.handshakeMs)
  const request = encodeHeaderRequest({ modelId, manifestHash: hash, chunk })
  await messages.write(request, { signal: inTime })
}

async function next(
  { messages, signal }: FetchFrom,
  ms: number,
  waitsFor: string,
): Promise<Exclude<HeaderReply, { kind: 'refuse' }>> {
  const inTime = withinTime(signal, ms)
  let reply: HeaderReply | null
  try {
    const data = await messages.read({ signal: inTime })
    reply = data && decodeHeaderReply(data)
  } catch (error) {
    signal?.throwIfAborted()
    if (!inTime.aborted) throw asLendingError(error)
    const why = `no ${waitsFor} within ${ms} ms`
    throw new LendingError('deadline', { what: 'the other device is silent', why, cause: error })
  }
  if (reply === null) throw new LendingError('lost', { what: 'the lender hung up' })
  if (reply.kind !== 'refuse') return reply
  throw new LendingError('model', { what: 'the lender refuses the header', why: reply.why })
}

function doesNotHold(why: string): never {
  throw new LendingError('protocol', { what: 'the header of this model does not hold', why })
}
