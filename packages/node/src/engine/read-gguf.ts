import { type FileHandle, open } from 'node:fs/promises'
import { readGgufHeader } from '@freehold/core/engine/read-gguf-header'
import { ModelError } from '@freehold/core/errors'

/**
 * Reads and checks a GGUF's header without touching its tensors.
 * @throws ModelError when the file cannot be read, is no sound GGUF or is cut off
 */
export async function readGguf(path: string, init: { signal?: AbortSignal | undefined } = {}) {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (cause) {
    throw unreadable(path, cause)
  }
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw unreadable(path, new Error('it is no file'))
    const read = async (sizeBytes: number) => {
      const bytes = new Uint8Array(sizeBytes)
      const { bytesRead } = await file.read(bytes, 0, sizeBytes, 0)
      return bytes.subarray(0, bytesRead)
    }
    return { header: await readGgufHeader({ sizeBytes: stats.size, read }, init), stats }
  } finally {
    await file.close()
  }
}

function unreadable(path: string, cause: unknown): ModelError {
  return new ModelError({
    what: `the model file ${path} cannot be read`,
    why: cause instanceof Error ? cause.message : String(cause),
    next: 'Look whether the path is right and the file may be read.',
    cause,
  })
}
