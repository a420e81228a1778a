import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fromHex, toHex } from '@freehold/core/bytes'
import type { ModelFile } from '@freehold/core/device/parts'
import { z } from 'zod'
import { writeFileSafely } from '../storage/write-file-safely.ts'
import { type ReadModelInit, readModelFile } from './read-model-file.ts'

/**
 * What model files are, kept on disk: hashing a file of many gigabytes takes longer than loading
 * it. A file is hashed again when its size, its times or its place on the disk have changed.
 */
export interface KnownFiles {
  /** @throws ModelError when the file is no whole GGUF */
  read(path: string, init?: ReadModelInit): Promise<ModelFile>
  /** Keeps what was just read from a file, so that it is not read again. */
  keep(path: string, file: ModelFile): Promise<void>
  /** Forgets a file that is about to be removed. */
  forget(path: string): Promise<void>
}

const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const recordSchema = z.object({
  state: z.string(),
  sha256: hex.length(64),
  sizeBytes: z.number().int().nonnegative(),
  headerBytes: z.number().int().nonnegative(),
  chunkRoot: hex.length(64),
  chunkHashes: z.base64(),
})

/** @param folder where it is kept; null: in memory alone */
export function openKnownFiles(folder: string | null): KnownFiles {
  const inMemory = new Map<string, { state: string; file: Promise<ModelFile> }>()

  async function read(path: string, init: ReadModelInit = {}): Promise<ModelFile> {
    const { state, place } = await stateOf(path)
    const known = inMemory.get(path)
    if (known?.state === state) return known.file
    const file = readNow(path, { state, place }, init)
    inMemory.set(path, { state, file })
    file.catch(() => inMemory.delete(path))
    return file
  }

  async function readNow(
    path: string,
    { state, place }: FileState,
    init: ReadModelInit,
  ): Promise<ModelFile> {
    const kept = folder && place ? await recall(join(folder, place), state, path) : null
    if (kept !== null) return kept
    const file = await readModelFile(path, init)
    // What changed while it was read is not worth keeping.
    if ((await stateOf(path)).state === state) await write(place, state, file)
    return file
  }

  /** A folder that cannot be written costs time, and no answer. */
  async function write(place: string, state: string, file: ModelFile): Promise<void> {
    const [only] = file.manifest.files
    if (folder === null || place === '' || only === undefined) return
    const record: z.infer<typeof recordSchema> = {
      state,
      sha256: toHex(only.sha256),
      sizeBytes: only.sizeBytes,
      headerBytes: only.headerBytes,
      chunkRoot: toHex(only.chunkRoot),
      chunkHashes: Buffer.from(file.chunkHashes).toString('base64'),
    }
    await writeFileSafely(join(folder, place), JSON.stringify(record)).catch(() => {})
  }

  return {
    read,
    keep: async (path, file) => {
      const { state, place } = await stateOf(path)
      await write(place, state, file)
    },
    forget: async (path) => {
      const { place } = await stateOf(path)
      if (folder && place) await rm(join(folder, place), { force: true }).catch(() => {})
    },
  }
}

interface FileState {
  /** Changes whenever the file does, but not when it is linked or moved. */
  state: string
  /** Names the file on its disk, whatever its path; empty when it is not there. */
  place: string
}

async function stateOf(path: string): Promise<FileState> {
  // A file that is not there: reading it says so best.
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  if (found === undefined) return { state: '', place: '' }
  const { dev, ino, size, mtimeNs, birthtimeNs } = found
  return { state: [dev, ino, size, mtimeNs, birthtimeNs].join('-'), place: `${dev}-${ino}.json` }
}

async function recall(place: string, state: string, path: string): Promise<ModelFile | null> {
  try {
    const record = recordSchema.parse(JSON.parse(await readFile(place, 'utf8')))
    if (record.state !== state) return null
    const { sizeBytes, headerBytes } = record
    const sha256 = fromHex(record.sha256)
    const chunkRoot = fromHex(record.chunkRoot)
    return {
      source: path,
      manifest: { files: [{ sha256, sizeBytes, chunkRoot, headerBytes }] },
      chunkHashes: new Uint8Array(Buffer.from(record.chunkHashes, 'base64')),
    }
  } catch {
    return null
  }
}
