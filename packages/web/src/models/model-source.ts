import type { ModelSource } from '@freehold/core/device/parts'
import { ModelError } from '@freehold/core/errors'
import { CHUNK_BYTES, type Manifest } from '@freehold/core/wire/manifest'
import { sha256 } from '@noble/hashes/sha2.js'
import { fetchModel } from '../engine/fetch-model.ts'

/**
 * Finds models by the names that the page gives them.
 * @param urls where each is: an address, or the `blob:` of a file that a person chose
 */
export function createModelSource(urls: Readonly<Record<string, string>>): ModelSource {
  const found = new Map<string, Promise<{ source: string; manifest: Manifest }>>()
  return {
    resolve: async (name) => {
      const url = urls[name]
      if (url === undefined) {
        const next = `This page has ${Object.keys(urls).join(' and ') || 'none'}`
        throw new ModelError({ what: `there is no model "${name}" here`, next })
      }
      const known = found.get(url) ?? readModel(url)
      found.set(url, known)
      known.catch(() => found.delete(url))
      return known
    },
  }
}

/** Fetches a model once: what an engine loads then is what was hashed here. */
async function readModel(url: string): Promise<{ source: string; manifest: Manifest }> {
  const { blob, header } = await fetchModel(url)
  const whole = sha256.create()
  const chunks = sha256.create()
  for (let at = 0; at < blob.size; at += CHUNK_BYTES) {
    const piece = new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer())
    whole.update(piece)
    chunks.update(sha256(piece))
  }
  const file = {
    sha256: whole.digest(),
    sizeBytes: blob.size,
    chunkRoot: chunks.digest(),
    headerBytes: header.dataOffset,
  }
  return { source: URL.createObjectURL(blob), manifest: { files: [file] } }
}
