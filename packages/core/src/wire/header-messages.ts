import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { bytes, optional, record, text, uint, union, type ValueOf } from './field.ts'
import { MAX_HEADER_CHUNKS, MAX_MODEL_CHUNKS } from './limits.ts'
import { CHUNK_BYTES, manifestField } from './manifest.ts'

/**
 * Messages of `/freehold/header/1`: the borrower asks for the manifest, then for chunks of the
 * header, and closes when it has what it needs.
 */

export const MAX_HEADER_REQUEST_BYTES = 256

/** A list of chunk hashes is the largest; a manifest of one file and the frame around it are small. */
export const MAX_HEADER_REPLY_BYTES = 32 * MAX_MODEL_CHUNKS + 4_096

const headerRequestField = record({
  modelId: bytes(32),
  /** As the lender's offer has it. */
  manifestHash: bytes(32),
  /**
   * null: the manifest and the chunk hashes. Else one chunk by its number: who asks for one at a
   * time never has more on its way than it can keep.
   */
  chunk: optional(uint(MAX_HEADER_CHUNKS - 1)),
})
export type HeaderRequest = ValueOf<typeof headerRequestField>

const headerReplyField = union({
  refuse: record({ why: text(200) }),
  manifest: record({
    manifest: manifestField,
    /** SHA-256 of each 1 MiB piece of the file, one after the other. */
    chunkHashes: bytes({ max: 32 * MAX_MODEL_CHUNKS }),
  }),
  chunk: record({ index: uint(MAX_HEADER_CHUNKS - 1), data: bytes({ max: CHUNK_BYTES }) }),
})
export type HeaderReply = ValueOf<typeof headerReplyField>

export function encodeHeaderRequest(message: HeaderRequest): Uint8Array {
  return encodeCanonical(headerRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeHeaderRequest(data: Uint8Array): HeaderRequest {
  return decodeCanonical(headerRequestField, data, MAX_HEADER_REQUEST_BYTES)
}

export function encodeHeaderReply(message: HeaderReply): Uint8Array {
  return encodeCanonical(headerReplyField, message)
}

/** @throws WireError for anything that is not one canonical reply within the limits */
export function decodeHeaderReply(data: Uint8Array): HeaderReply {
  return decodeCanonical(headerReplyField, data, MAX_HEADER_REPLY_BYTES)
}
