import { toHex } from '@freehold/core/bytes'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import { readGgufHeader } from '@freehold/core/engine/read-gguf-header'
import { ModelError } from '@freehold/core/errors'
import { sha256 } from '@noble/hashes/sha2.js'
import { fetchSource, type ReadSource } from './read-source.ts'

/** llama.cpp's files in WebAssembly end at 2 GiB. */
const MAX_FILE_BYTES = 2 ** 31 - 1

/** A model's bytes, which nobody can change any more, and what was read of them. */
export interface ReadModel {
  blob: Blob
  header: GgufHeader
  /** SHA-256 of the bytes, 64 lower-case hex digits. */
  modelId: string
}

/**
 * Reads a model and hashes it as a stream.
 * @throws ModelError when it cannot be had or is no sound GGUF
 */
export async function readModel(
  source: string,
  init: { read?: ReadSource | undefined; signal?: AbortSignal | undefined } = {},
): Promise<ReadModel> {
  const { read = fetchSource, signal } = init
  const blob = await read(source, { signal })
  if (blob.size > MAX_FILE_BYTES) {
    throw new ModelError({
      what: 'the model is too large for a browser',
      why: `it has ${blob.size} bytes, and ${MAX_FILE_BYTES} can be read`,
      next: 'Choose a smaller model here, or run this one on a device with Node.',
    })
  }
  const file = {
    sizeBytes: blob.size,
    read: async (sizeBytes: number) => bytesOf(blob, 0, sizeBytes),
  }
  const header = await readGgufHeader(file, { signal })
  return { blob, header, modelId: await hashBlob(blob, signal) }
}

/** Some bytes of a blob, fewer at its end. */
export async function bytesOf(blob: Blob, from: number, count: number): Promise<Uint8Array> {
  return new Uint8Array(await blob.slice(from, from + count).arrayBuffer())
}

/** SHA-256 of all bytes, 64 lower-case hex digits. */
export async function hashBlob(blob: Blob, signal?: AbortSignal): Promise<string> {
  const hash = sha256.create()
  for await (const part of blob.stream()) {
    signal?.throwIfAborted()
    hash.update(part)
  }
  return toHex(hash.digest())
}
