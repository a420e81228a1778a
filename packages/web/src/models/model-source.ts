import { concat, fromHex } from '@freehold/core/bytes'
import type { ModelFile, ModelSource } from '@freehold/core/device/parts'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesOf, readModel } from '../engine/read-model.ts'
import { fetchSource } from '../engine/read-source.ts'

/**
 * Finds models by the names that the page gives them.
 * @param urls where each is: an address, or the `blob:` of a file that a person chose
 */
export function createModelSource(urls: Readonly<Record<string, string>>): ModelSource {
  const found = new Map<string, Promise<ModelFile>>()
  return {
    names: `This page has ${Object.keys(urls).join(' and ') || 'none'}`,
    find: async (name) => {
      const url = urls[name]
      if (url === undefined) return null
      const known = found.get(url) ?? readModelFile(url)
      found.set(url, known)
      known.catch(() => found.delete(url))
      return known
    },
    read: async (source, from, count) => bytesOf(await fetchSource(source, {}), from, count),
  }
}

/** Reads a model once: what an engine loads then is what was hashed here. */
async function readModelFile(url: string): Promise<ModelFile> {
  const { blob, header, modelId } = await readModel(url)
  const hashes: Uint8Array[] = []
  for (let at = 0; at < blob.size; at += CHUNK_BYTES) {
    hashes.push(sha256(await bytesOf(blob, at, CHUNK_BYTES)))
  }
  const chunkHashes = concat(...hashes)
  const file = {
    sha256: fromHex(modelId),
    sizeBytes: blob.size,
    chunkRoot: sha256(chunkHashes),
    headerBytes: header.dataOffset,
  }
  return { source: URL.createObjectURL(blob), manifest: { files: [file] }, chunkHashes }
}
