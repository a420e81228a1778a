import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlobStore } from '@freehold/core/device/parts'

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
      const path = source(sha256)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const draft = `${path}.${randomUUID()}`
      try {
        await using file = await open(draft, 'wx', 0o600)
        await file.writeFile(bytes)
        await file.sync()
        await rename(draft, path)
      } catch (error) {
        await rm(draft, { force: true })
        throw error
      }
    },
    remove: (sha256) => rm(source(sha256), { force: true }),
  }
}
