import { readFile } from 'node:fs/promises'
import { fromHex, toHex } from '@freehold/core/bytes'
import { ModelError } from '@freehold/core/errors'
import { z } from 'zod'
import { writeFileSafely } from '../storage/write-file-safely.ts'
import { formatModelName, type ModelName, parseModelName } from './name.ts'
import { type ManifestFile, modelIdOf } from './read-model-file.ts'

/** A file of a stored model, under the name that it came with. */
export type StoredFile = ManifestFile & { fileName: string }

/** A model in the store. */
export interface StoredModel {
  name: ModelName & { tag: string }
  /** Hex: the hash of its file, or of its manifest if it has several. */
  modelId: string
  /** In order, if it has several. */
  files: readonly StoredFile[]
  /** Where it came from: an address, a path. */
  from: string
  addedAtMs: number
}

/** What may lie in a folder of its own, and nowhere else. */
export const FILE_NAME = /^(?!\.{1,2}$)[^/\\\0]{1,255}$/

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const manifestSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  from: z.string(),
  addedAtMs: z.number(),
  files: z
    .array(
      z.object({
        fileName: z.string().regex(FILE_NAME),
        sha256: hash,
        sizeBytes: size,
        headerBytes: size,
        chunkRoot: hash,
      }),
    )
    .min(1)
    .max(1_024),
})

/** Writes what a name stands for. */
export async function writeManifestFile(path: string, model: StoredModel): Promise<void> {
  const manifest: z.infer<typeof manifestSchema> = {
    version: 1,
    name: formatModelName({ ...model.name, digest: null }),
    from: model.from,
    addedAtMs: model.addedAtMs,
    files: model.files.map((file) => ({
      ...file,
      sha256: toHex(file.sha256),
      chunkRoot: toHex(file.chunkRoot),
    })),
  }
  await writeFileSafely(path, `${JSON.stringify(manifest, null, 2)}\n`)
}

/** @returns null when there is no such file @throws ModelError when it is no manifest */
export async function readManifestFile(path: string): Promise<StoredModel | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    // Another process may have removed it since it was listed.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const { name: given, from, addedAtMs, files: listed } = manifestSchema.parse(JSON.parse(text))
    const files = listed.map((file) => ({
      ...file,
      sha256: fromHex(file.sha256),
      chunkRoot: fromHex(file.chunkRoot),
    }))
    const { tag, ...name } = parseModelName(given)
    if (tag === null) throw new Error('its name has no tag')
    const modelId = modelIdOf({ files: files.map(({ fileName: _, ...file }) => file) })
    return { name: { ...name, tag }, modelId, files, from, addedAtMs }
  } catch (cause) {
    throw new ModelError({
      what: `${path} is no manifest of a model`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: 'Remove the file, and pull or import the model again',
      cause,
    })
  }
}
