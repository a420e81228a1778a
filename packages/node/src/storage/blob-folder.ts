import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobStore } from '@freehold/core/device/parts'
import { writeFileSafely } from './write-file-safely.ts'

/** Blobs as files of one folder, which is made when it is needed. */
export function createBlobFolder(folder: string): BlobStore {
  const source = (sha256: string): string => {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError(`not a hash: ${sha256.slice(0, 80)}`)
    return join(folder, sha256)
  }
  return {
    source,
    get: async (sha256) => {
      try {
        return new Uint8Array(await readFile(source(sha256)))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },
    put: async (sha256, bytes) => {
      await writeFileSafely(source(sha256), bytes)
    },
    remove: (sha256) => rm(source(sha256), { force: true }),
  }
}
