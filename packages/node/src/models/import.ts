import { randomUUID } from 'node:crypto'
import { constants, createReadStream, createWriteStream } from 'node:fs'
import { copyFile, link, mkdir, realpath, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { toHex } from '@freehold/core/bytes'
import { ModelError, UsageError } from '@freehold/core/errors'
import { readGguf } from '../engine/read-gguf.ts'
import type { FoundModel, ModelLibrary } from './library.ts'
import type { StoredFile, StoredModel } from './manifest-file.ts'
import { asNamePart, DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG, parseModelName } from './name.ts'
import { modelIdOf } from './read-model-file.ts'
import { quantisationIn, stemOf } from './shards.ts'
import { requireFreeName } from './store.ts'
import { storeError } from './store-error.ts'

/** How a file came into the store: a second name, a copy that shares its blocks, or a second copy. */
export type ImportedBy = 'link' | 'reflink' | 'copy'

export interface ImportInit {
  /** What to store it under. @default its name where it comes from, or what its file is called */
  as?: StoredModel['name'] | undefined
  /** @default the first of all that the disk can do */
  by?: 'link' | 'copy' | undefined
  /** Called with how many bytes have been hashed, of all files. */
  onBytes?: ((bytes: number) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface Imported {
  model: StoredModel
  by: ImportedBy
}

/**
 * Takes a model into the store that is a file or another program's, without a second copy on the disk
 * where the disk can do so.
 * @throws UsageError when it is in the store, or its name is another model's; ModelError
 */
export async function importModel(
  found: FoundModel,
  init: ImportInit,
  { library }: { library: Pick<ModelLibrary, 'store' | 'known'> },
): Promise<Imported> {
  const { store, known } = library
  if (found.origin === 'store' || found.origin === 'bundled') {
    throw new UsageError({
      what: `${found.name} is here already`,
      next:
        found.origin === 'store'
          ? `Give it a second name with: freehold cp ${found.name} NAME`
          : `Use it: freehold run ${found.name}`,
    })
  }
  const name = init.as ?? nameFor(found)
  const incoming = new Map<string, string>()
  const drafts: string[] = []
  try {
    await mkdir(store.downloads, { recursive: true, mode: 0o700 })
    const files: StoredFile[] = []
    let by: ImportedBy = 'link'
    let doneBytes = 0
    for (const path of found.paths) {
      const draft = join(store.downloads, `import-${randomUUID()}`)
      drafts.push(draft)
      // What is no model is not copied first.
      await readGguf(path, { signal: init.signal })
      // Some stores hold links to their files.
      by = await takeIn(await realpath(path), draft, init)
      const before = doneBytes
      const onBytes = (bytes: number) => init.onBytes?.(before + bytes)
      const { manifest } = await known.read(draft, { onBytes, signal: init.signal })
      for (const file of manifest.files) {
        files.push({ ...file, fileName: fileNameOf(path, found) })
        incoming.set(toHex(file.sha256), draft)
        doneBytes += file.sizeBytes
      }
    }
    const modelId = modelIdOf({ files: files.map(({ fileName: _, ...file }) => file) })
    await requireFreeName(store, name, modelId)
    const from = found.paths[0] ?? ''
    const { signal } = init
    const model = await store.add({ name, files, from, addedAtMs: Date.now() }, incoming, {
      signal,
    })
    return { model, by }
  } catch (error) {
    init.signal?.throwIfAborted()
    throw storeError(error, store.folder)
  } finally {
    for (const draft of drafts) await rm(draft, { force: true }).catch(() => {})
  }
}

function nameFor({ name, origin, paths }: FoundModel): StoredModel['name'] {
  if (origin !== 'file') {
    const parsed = parseModelName(name)
    return { ...parsed, tag: parsed.tag ?? DEFAULT_TAG }
  }
  const fileName = basename(paths[0] ?? name)
  const tag = quantisationIn(fileName)
  const stem = stemOf(fileName)
  const model = tag === null ? stem : stem.slice(0, -tag.length).replace(/[-._]$/, '') || stem
  return {
    host: DEFAULT_HOST,
    namespace: DEFAULT_NAMESPACE,
    model: asNamePart(model),
    tag: asNamePart(tag ?? DEFAULT_TAG),
    digest: null,
  }
}

/** Blobs of other programs are called by their hash; ours have names that people can read. */
function fileNameOf(path: string, { name, origin }: FoundModel): string {
  if (origin !== 'ollama') return basename(path)
  return `${asNamePart(name.split('/').at(-1) ?? name)}.gguf`
}

async function takeIn(from: string, to: string, { by, signal }: ImportInit): Promise<ImportedBy> {
  if (by !== 'copy') {
    if (await works(link(from, to))) return 'link'
    if (await works(copyFile(from, to, constants.COPYFILE_FICLONE_FORCE))) return 'reflink'
    await rm(to, { force: true })
  }
  if (by === 'link') {
    throw new ModelError({
      what: `${from} cannot be linked into the store`,
      why: 'it lies on another disk, or the disk knows no links',
      next: 'Copy it (freehold import --copy), or run it where it lies',
    })
  }
  await pipeline(createReadStream(from), createWriteStream(to, { flags: 'wx', flush: true }), {
    ...(signal ? { signal } : {}),
  })
  return 'copy'
}

/** Whether the disk can do it; what it lacks for is said by the copy, if anything. */
async function works(attempt: Promise<void>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  )
}
