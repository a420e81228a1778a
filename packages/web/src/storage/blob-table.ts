import type { BlobStore } from '@freehold/core/device/parts'
import type { Table } from '@freehold/core/storage'

const SCHEME = 'freehold-blob:'

/** Blobs as rows of one table. */
export interface BlobTable extends BlobStore {
  /** Whether a source is one of these, rather than a URL. */
  isSource(source: string): boolean
  /** null: it is not there any more. */
  open(source: string): Promise<Blob | null>
}

export function createBlobTable(table: Table<Uint8Array>): BlobTable {
  const get = async (sha256: string) => (await table.get(sha256)) ?? null
  return {
    get,
    put: (sha256, bytes) => table.put(sha256, bytes),
    remove: async (sha256) => {
      await table.update(sha256, () => undefined)
    },
    source: (sha256) => `${SCHEME}${sha256}`,
    isSource: (source) => source.startsWith(SCHEME),
    open: async (source) => {
      const bytes = await get(source.slice(SCHEME.length))
      return bytes && new Blob([Uint8Array.from(bytes)])
    },
  }
}
