import { toHex } from '@freehold/core/bytes'
import type { GgufHeader } from '@freehold/core/engine/gguf'
import { readGgufHeader } from '@freehold/core/engine/read-gguf-header'
import { ModelError } from '@freehold/core/errors'
import { sha256 } from '@noble/hashes/sha2.js'

/** llama.cpp's files in WebAssembly end at 2 GiB. */
const MAX_FILE_BYTES = 2 ** 31 - 1

/** A model's bytes, which nobody can change any more, and what was read of them. */
export interface FetchedModel {
  blob: Blob
  header: GgufHeader
  /** SHA-256 of the bytes, 64 lower-case hex digits. */
  modelId: string
}

/**
 * Fetches a model and hashes it as a stream.
 * @param url of this origin, of another that allows it, or a `blob:` of a file that a person chose
 * @throws ModelError when it cannot be fetched or is no sound GGUF
 */
export async function fetchModel(
  url: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<FetchedModel> {
  const blob = await fetchBlob(url, signal)
  if (blob.size > MAX_FILE_BYTES) {
    throw new ModelError({
      what: 'the model is too large for a browser',
      why: `it has ${blob.size} bytes, and ${MAX_FILE_BYTES} can be read`,
      next: 'Choose a smaller model here, or run this one on a device with Node.',
    })
  }
  const read = async (sizeBytes: number) =>
    new Uint8Array(await blob.slice(0, sizeBytes).arrayBuffer())
  const header = await readGgufHeader({ sizeBytes: blob.size, read }, { signal })
  return { blob, header, modelId: await hashBlob(blob, signal) }
}

async function fetchBlob(url: string, signal: AbortSignal | undefined): Promise<Blob> {
  try {
    const response = await fetch(url, signal ? { signal } : {})
    if (!response.ok) throw new Error(`the server says ${response.status}`)
    return await response.blob()
  } catch (cause) {
    signal?.throwIfAborted()
    throw new ModelError({
      what: `the model at ${url} cannot be fetched`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: 'Look whether the address is right and the device online.',
      cause,
    })
  }
}

async function hashBlob(blob: Blob, signal: AbortSignal | undefined): Promise<string> {
  const hash = sha256.create()
  for await (const part of blob.stream()) {
    signal?.throwIfAborted()
    hash.update(part)
  }
  return toHex(hash.digest())
}
