import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

const CHUNK_BYTES = 1024 * 1024

/**
 * SHA-256 of a file's bytes as 64 lower-case hex digits.
 * @throws the file system's error, or the signal's reason
 */
export async function hashFile(
  path: string,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hash = createHash('sha256')
  // One for all: a stream takes a new one for each chunk, tens of megabytes until they are collected.
  const chunk = new Uint8Array(CHUNK_BYTES)
  await using file = await open(path)
  for (;;) {
    init.signal?.throwIfAborted()
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(chunk.subarray(0, bytesRead))
  }
}
