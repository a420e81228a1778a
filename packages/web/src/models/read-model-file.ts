import { concat, fromHex } from '@freehold/core/bytes'
import type { ModelFile } from '@freehold/core/device/parts'
import { CHUNK_BYTES } from '@freehold/core/wire/manifest'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesOf, readModel } from '../engine/read-model.ts'

/** A model's file, and the SHA-256 of all of it, 64 lower-case hex digits. */
export interface ReadModelFile {
  file: ModelFile
  modelId: string
}

/** Reads a model once: what an engine loads then is what was hashed here. */
export async function readModelFile(url: string): Promise<ReadModelFile> {
  const { blob, header, modelId } = await readModel(url)
  const hashes: Uint8Array[] = []
  for (let at = 0; at < blob.size; at += CHUNK_BYTES) {
    hashes.push(sha256(await bytesOf(blob, at, CHUNK_BYTES)))
  }
  const chunkHashes = concat(...hashes)
  const manifestFile = {
    sha256: fromHex(modelId),
    sizeBytes: blob.size,
    chunkRoot: sha256(chunkHashes),
    headerBytes: header.dataOffset,
  }
  const file = {
    source: URL.createObjectURL(blob),
    manifest: { files: [manifestFile] },
    chunkHashes,
  }
  return { file, modelId }
}
