import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { toHex } from '@freehold/core/bytes'
import type { ModelFile } from '@freehold/core/device/parts'
import { CHUNK_BYTES, type Manifest, manifestHash } from '@freehold/core/wire/manifest'
import { readGguf } from '../engine/read-gguf.ts'

/** One file of a model, as a manifest lists it. */
export type ManifestFile = Manifest['files'][number]

export interface ReadModelInit {
  /** Called with how many bytes have been read. */
  onBytes?: ((bytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/** What a file's bytes are. */
export type FileHashes = Omit<ManifestFile, 'headerBytes'> & { chunkHashes: Uint8Array }

/** Reads a model file once and says what it is. @throws ModelError when it is no whole GGUF */
export async function readModelFile(path: string, init: ReadModelInit = {}): Promise<ModelFile> {
  const { header } = await readGguf(path, init)
  const { chunkHashes, ...hashes } = await hashPieces(path, init)
  const manifest = { files: [{ ...hashes, headerBytes: header.dataOffset }] }
  return { source: path, manifest, chunkHashes }
}

/** Hashes a file, and each of its pieces, in one go. */
export async function hashPieces(path: string, init: ReadModelInit = {}): Promise<FileHashes> {
  const whole = createHash('sha256')
  const hashes: Buffer[] = []
  let sizeBytes = 0
  await using file = await open(path)
  const buffer = Buffer.alloc(CHUNK_BYTES)
  for (;;) {
    init.signal?.throwIfAborted()
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, sizeBytes)
    if (bytesRead === 0) break
    const piece = buffer.subarray(0, bytesRead)
    whole.update(piece)
    hashes.push(createHash('sha256').update(piece).digest())
    sizeBytes += bytesRead
    init.onBytes?.(sizeBytes)
  }
  const chunkHashes = new Uint8Array(Buffer.concat(hashes))
  const chunkRoot = new Uint8Array(createHash('sha256').update(chunkHashes).digest())
  return { sha256: new Uint8Array(whole.digest()), sizeBytes, chunkRoot, chunkHashes }
}

/** A model's id, hex: its file's hash, or its manifest's if it has several files. */
export function modelIdOf({ files }: Manifest): string {
  const [only] = files
  return toHex(files.length === 1 && only ? only.sha256 : manifestHash({ files }))
}
