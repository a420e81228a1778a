import { open } from 'node:fs/promises'
import { fromHex } from '@freehold/core/bytes'
import type { SeededFile, SeededModel } from '@freehold/core/device/weights-desk'
import type { ModelLibrary } from './library.ts'

/**
 * Models that the owner lets others have, ready to be seeded: those of the store alone, by their ids.
 * @param ids hex; one that is not in the store is left out
 */
export async function sharedModels(
  ids: readonly string[],
  { store, known }: Pick<ModelLibrary, 'store' | 'known'>,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<SeededModel[]> {
  const models: SeededModel[] = []
  for (const id of new Set(ids)) {
    const stored = await store.byId(id)
    if (stored === null) continue
    const files: SeededFile[] = []
    for (const path of store.paths(stored)) {
      const { manifest, chunkHashes } = await known.read(path, init)
      const [file] = manifest.files
      if (file) files.push({ file, chunkHashes, read: (from, count) => readAt(path, from, count) })
    }
    models.push({ modelId: fromHex(id), files })
  }
  return models
}

async function readAt(path: string, from: number, count: number): Promise<Uint8Array> {
  await using file = await open(path)
  const bytes = new Uint8Array(count)
  const { bytesRead } = await file.read(bytes, 0, count, from)
  return bytes.subarray(0, bytesRead)
}
