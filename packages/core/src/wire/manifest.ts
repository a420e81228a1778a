import { encodeCanonical } from './canonical.ts'
import { bytes, list, record, uint, type ValueOf } from './field.ts'
import { taggedHash } from './hash.ts'

/** Size of the pieces under `chunkRoot`. */
export const CHUNK_BYTES = 1 << 20

/** What a model is, file by file. */
export const manifestField = record({
  files: list(
    record({
      sha256: bytes(32),
      sizeBytes: uint(Number.MAX_SAFE_INTEGER),
      /** SHA-256 over the SHA-256s of the file's 1 MiB pieces, in order. */
      chunkRoot: bytes(32),
      /** The file's first so many bytes, up to its tensors' data: metadata, tokenizer, template. */
      headerBytes: uint(Number.MAX_SAFE_INTEGER),
    }),
    1_024,
  ),
})
export type Manifest = ValueOf<typeof manifestField>

export function manifestHash(manifest: Manifest): Uint8Array {
  return taggedHash('manifest', encodeCanonical(manifestField, manifest))
}
