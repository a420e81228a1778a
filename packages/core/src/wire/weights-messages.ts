import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { bytes, record, text, uint, union, type ValueOf } from './field.ts'
import { MAX_MODEL_CHUNKS } from './limits.ts'
import { CHUNK_BYTES, manifestField } from './manifest.ts'

/**
 * Messages of `/freehold/weights/1`: whoever pulls a model asks what it is made of, then for the list
 * of a file's chunk hashes, then for chunks. Requests may be sent ahead; replies come in their order.
 */

export const MAX_WEIGHTS_REQUEST_BYTES = 64

/** A list of chunk hashes is the largest. */
export const MAX_WEIGHTS_REPLY_BYTES = 32 * MAX_MODEL_CHUNKS + 4_096

const weightsRequestField = union({
  /** The files of a model, by its id. */
  manifest: record({ modelId: bytes(32) }),
  /** The list of a file's chunk hashes, by the SHA-256 of the file. */
  hashes: record({ sha256: bytes(32) }),
  chunk: record({ sha256: bytes(32), index: uint(MAX_MODEL_CHUNKS - 1) }),
})
export type WeightsRequest = ValueOf<typeof weightsRequestField>

const weightsReplyField = union({
  refuse: record({ why: text(200) }),
  manifest: record({ manifest: manifestField }),
  hashes: record({
    sizeBytes: uint(MAX_MODEL_CHUNKS * CHUNK_BYTES),
    /** SHA-256 of each 1 MiB piece of the file, one after the other. */
    chunkHashes: bytes({ max: 32 * MAX_MODEL_CHUNKS }),
  }),
  chunk: record({
    index: uint(MAX_MODEL_CHUNKS - 1),
    data: bytes({ max: CHUNK_BYTES }),
  }),
})
export type WeightsReply = ValueOf<typeof weightsReplyField>

export function encodeWeightsRequest(message: WeightsRequest): Uint8Array {
  return encodeCanonical(weightsRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeWeightsRequest(data: Uint8Array): WeightsRequest {
  return decodeCanonical(weightsRequestField, data, MAX_WEIGHTS_REQUEST_BYTES)
}

export function encodeWeightsReply(message: WeightsReply): Uint8Array {
  return encodeCanonical(weightsReplyField, message)
}

/** @throws WireError for anything that is not one canonical reply within the limits */
export function decodeWeightsReply(data: Uint8Array): WeightsReply {
  return decodeCanonical(weightsReplyField, data, MAX_WEIGHTS_REPLY_BYTES)
}
