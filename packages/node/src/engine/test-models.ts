/** Models for tests: the bundled one, and ways to break it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type GgufHeader, parseGguf } from '@freehold/core/engine/gguf'

/** The bundled model. */
export const ACORN = fileURLToPath(
  new URL('../../../../models/acorn/acorn-q8_0.gguf', import.meta.url),
)

/** A folder for broken models; disposing removes it. */
export interface BrokenModels extends AsyncDisposable {
  /** Writes what `edit` makes of the bundled model. @returns the path of the copy */
  make(
    name: string,
    edit: (bytes: Buffer<ArrayBuffer>, header: GgufHeader) => Buffer,
  ): Promise<string>
}

/** Creates the folder. */
export async function createBrokenModels(): Promise<BrokenModels> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-test-'))
  const acorn = await readFile(ACORN)
  return {
    async make(name, edit) {
      const bytes = Buffer.from(acorn)
      const path = join(folder, `${name}.gguf`)
      await writeFile(path, edit(bytes, parseGguf(bytes, bytes.length)))
      return path
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Overwrites the 32-bit number under a metadata key. */
export function setNumber(bytes: Buffer, key: string, value: number): Buffer {
  const at = bytes.indexOf(key)
  if (at < 0) throw new Error(`the model has no ${key}`)
  // The key is followed by its value's type.
  bytes.writeUInt32LE(value, at + key.length + 4)
  return bytes
}

/** Renames the token `from` to `to`, which must have as many bytes. */
export function renameToken(bytes: Buffer, header: GgufHeader, from: string, to: string): Buffer {
  const tokens = header.metadata.get('tokenizer.ggml.tokens')
  if (typeof tokens !== 'object') throw new Error('the model has no vocabulary')
  const entry = Buffer.alloc(8 + Buffer.byteLength(from))
  entry.writeBigUInt64LE(BigInt(Buffer.byteLength(from)))
  entry.write(from, 8)
  const at = bytes.indexOf(entry, tokens.at)
  if (at < 0) throw new Error(`the model has no token ${from}`)
  bytes.write(to, at + 8)
  return bytes
}

/** Adds a text to the metadata that makes the header at least so many bytes longer. */
export function lengthenHeader(bytes: Buffer, header: GgufHeader, least: number): Buffer {
  const key = 'freehold.test'
  const head = 8 + key.length + 4 + 8
  // A whole number of alignments: everything behind it moves, and nothing has to be padded anew.
  const size = Math.ceil((head + least) / 1_024) * 1_024
  const entry = Buffer.alloc(size, '.')
  entry.writeBigUInt64LE(BigInt(key.length), 0)
  entry.write(key, 8)
  entry.writeUInt32LE(8, 8 + key.length)
  entry.writeBigUInt64LE(BigInt(size - head), 8 + key.length + 4)
  const before = Buffer.from(bytes.subarray(0, header.entriesOffset))
  before.writeBigUInt64LE(before.readBigUInt64LE(16) + 1n, 16)
  return Buffer.concat([before, entry, bytes.subarray(header.entriesOffset)])
}
