import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'

const CHUNK_BYTES = 1024 * 1024

/**
 * SHA-256 of a file's bytes as 64 lower-case hex digits, read as a stream.
 * @throws the file system's error, or the signal's reason
 */
export async function hashFile(
  path: string,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const hash = createHash('sha256')
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  for await (const chunk of stream) {
    init.signal?.throwIfAborted()
    hash.update(chunk)
  }
  return hash.digest('hex')
}
