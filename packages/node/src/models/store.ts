import {
  access,
  constants,
  link,
  mkdir,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import { ModelError, UsageError } from '@freehold/core/errors'
import { type HoldFileInit, holdFile } from '../storage/hold-file.ts'
import { syncFolder } from '../storage/write-file-safely.ts'
import type { KnownFiles } from './known-files.ts'
import {
  FILE_NAME,
  readManifestFile,
  type StoredFile,
  type StoredModel,
  writeManifestFile,
} from './manifest-file.ts'
import {
  DEFAULT_TAG,
  formatModelName,
  isSameModel,
  isSameTag,
  type ModelName,
  parseModelName,
  pickTag,
} from './name.ts'
import { storeError } from './store-error.ts'

/**
 * The models that a device keeps: blobs under the SHA-256 of their bytes, manifests that say which
 * name stands for which blobs, and links that people can read. Several processes may use it at once.
 *
 *     blobs/sha256-<hex>   manifests/<host>/<namespace>/<model>/<tag>
 *     by-name/<host>/<namespace>/<model>/<tag>/<file>   downloads/
 */
export interface ModelStore {
  readonly folder: string
  /** What is being fetched; a `.part` that is left is gone on with. */
  readonly downloads: string
  list(): Promise<StoredModel[]>
  /** What is wrong with manifests that cannot be read; while there are any, no blob is removed. */
  damages(): Promise<ModelError[]>
  /** null: the name means nothing here. */
  find(name: ModelName): Promise<StoredModel | null>
  byId(modelId: string): Promise<StoredModel | null>
  /** Paths of a model's files, in order, as an engine loads them. */
  paths(model: StoredModel): string[]
  /** Whether the bytes of that hash are here. */
  hasBlob(sha256: string, sizeBytes: number): Promise<boolean>
  /**
   * Gives a name to files that are whole and were checked; what it meant before is removed.
   * @param incoming where each file lies that is no blob yet, by hash; it is moved from there
   */
  add(
    model: Omit<StoredModel, 'modelId'>,
    incoming: ReadonlyMap<string, string>,
    init?: HoldFileInit,
  ): Promise<StoredModel>
  /** @returns how many bytes were freed: none while another name stands for the same */
  remove(model: StoredModel, init?: HoldFileInit): Promise<{ freedBytes: number }>
}

export function openModelStore(folder: string, { known }: { known: KnownFiles }): ModelStore {
  const manifests = join(folder, 'manifests')
  const byName = join(folder, 'by-name')
  const downloads = join(folder, 'downloads')
  const blobOf = (sha256: string) => join(folder, 'blobs', `sha256-${sha256}`)

  async function readAll(): Promise<{ models: StoredModel[]; damages: ModelError[] }> {
    const models: StoredModel[] = []
    const damages: ModelError[] = []
    for (const path of await manifestPaths(manifests)) {
      try {
        const model = await readManifestFile(path)
        if (model === null) continue
        if (join(manifests, ...segments(model.name)) === path) models.push(model)
        else damages.push(new ModelError({ what: `${path} names another model` }))
      } catch (error) {
        if (!(error instanceof ModelError)) throw error
        damages.push(error)
      }
    }
    return { models: models.sort((a, b) => nameOf(a).localeCompare(nameOf(b))), damages }
  }

  const list = async () => (await readAll()).models

  /** Writing is one process's at a time: a blob is removed by whoever sees that nobody names it. */
  async function inTurn<T>(work: () => Promise<T>, init: HoldFileInit = {}): Promise<T> {
    try {
      using _held = await holdFile(join(folder, '.lock'), init)
      await access(folder, constants.W_OK)
      return await work()
    } catch (error) {
      throw storeError(error, folder)
    }
  }

  async function removeUnnamed(files: readonly StoredFile[]): Promise<number> {
    const { models, damages } = await readAll()
    // Nobody knows which blobs a damaged manifest names.
    if (damages.length > 0) return 0
    const named = new Set(models.flatMap((model) => model.files.map(hashOf)))
    let freedBytes = 0
    for (const file of new Map(files.map((file) => [hashOf(file), file])).values()) {
      const path = blobOf(hashOf(file))
      if (named.has(hashOf(file))) continue
      await known.forget(path)
      const found = await stat(path).catch(() => undefined)
      await rm(path, { force: true })
      // Bytes that another folder links to stay on the disk.
      if (found?.nlink === 1) freedBytes += found.size
    }
    return freedBytes
  }

  async function hasBlob(sha256: string, sizeBytes: number): Promise<boolean> {
    const found = await stat(blobOf(sha256)).catch(() => undefined)
    return found?.size === sizeBytes
  }

  async function unlinkNames(model: StoredModel): Promise<void> {
    const links = join(byName, ...segments(model.name))
    await rm(links, { recursive: true, force: true })
    await removeEmpty(dirname(links), byName)
  }

  return {
    folder,
    downloads,
    list,
    damages: async () => (await readAll()).damages,
    find: async (name) => {
      const found = (await list()).filter((model) => isSameModel(model.name, name))
      const picked = pickTag(found, name.tag)
      if (picked === undefined) return null
      return name.digest === null || name.digest === picked.modelId ? picked : null
    },
    byId: async (modelId) => (await list()).find((model) => model.modelId === modelId) ?? null,
    paths: (model) =>
      model.files.length === 1
        ? model.files.map((file) => blobOf(hashOf(file)))
        : model.files.map((file) => join(byName, ...segments(model.name), file.fileName)),
    hasBlob,
    add: (model, incoming, init) =>
      inTurn(async () => {
        requireSound(model)
        const old = (await list()).find(
          ({ name }) => isSameModel(name, model.name) && isSameTag(name.tag, model.name.tag),
        )
        // The first spelling of a name stays.
        const stored = { ...model, name: old?.name ?? model.name }
        for (const [sha256, path] of incoming) await moveIn(path, blobOf(sha256))
        for (const file of stored.files) {
          if (!(await hasBlob(hashOf(file), file.sizeBytes))) throw removedMeanwhile(stored)
        }
        if (old) await unlinkNames(old)
        const links = join(byName, ...segments(stored.name))
        for (const file of stored.files) {
          await linkReadably(blobOf(hashOf(file)), join(links, file.fileName), stored.files.length)
        }
        const path = join(manifests, ...segments(stored.name))
        await writeManifestFile(path, { ...stored, modelId: '' })
        if (old) await removeUnnamed(old.files)
        const added = await readManifestFile(path)
        if (added === null) throw removedMeanwhile(stored)
        return added
      }, init),
    remove: (model, init) =>
      inTurn(async () => {
        const path = join(manifests, ...segments(model.name))
        await rm(path, { force: true })
        await removeEmpty(dirname(path), manifests)
        await unlinkNames(model)
        return { freedBytes: await removeUnnamed(model.files) }
      }, init),
  }
}

/** A stored model's whole name, as people read it. */
export function nameOf({ name }: Pick<StoredModel, 'name'>): string {
  return formatModelName({ ...name, digest: null })
}

/** @throws UsageError when a name stands for another model than the one that should get it */
export async function requireFreeName(
  store: Pick<ModelStore, 'list'>,
  name: StoredModel['name'],
  modelId: string | null,
): Promise<void> {
  const old = (await store.list()).find(
    (model) => isSameModel(model.name, name) && isSameTag(model.name.tag, name.tag),
  )
  if (old === undefined || old.modelId === modelId) return
  throw new UsageError({
    what: `${nameOf(old)} is another model already`,
    next: `Choose another name, or remove it: freehold rm ${nameOf(old)}`,
  })
}

/** A name to store under: what it leaves out is filled in. @throws UsageError when it names a digest */
export function storableName(name: ModelName): StoredModel['name'] {
  if (name.digest === null) return { ...name, tag: name.tag ?? DEFAULT_TAG }
  throw new UsageError({ what: 'a model is stored under a name without a digest' })
}

function hashOf({ sha256 }: StoredFile): string {
  return toHex(sha256)
}

/** What is written must be what can be read again, and lie in its own folder. */
function requireSound({ name, files }: Omit<StoredModel, 'modelId'>): void {
  const text = nameOf({ name })
  if (formatModelName(parseModelName(text)) !== text) {
    throw new UsageError({ what: `"${text}" is no name of a model` })
  }
  const odd = files.find(({ fileName }) => !FILE_NAME.test(fileName))
  if (odd === undefined) return
  throw new ModelError({ what: `a file of ${text} has no usable name`, why: odd.fileName })
}

function removedMeanwhile(model: Pick<StoredModel, 'name'>): ModelError {
  return new ModelError({
    what: `${nameOf(model)} cannot be added`,
    why: 'a file of it was removed meanwhile',
    next: 'Try it again',
  })
}

/** Folders of a name. A port's colon means something else to some file systems. */
function segments({ host, namespace, model, tag }: StoredModel['name']): string[] {
  return [host.replace(':', '+'), namespace, model, tag]
}

async function manifestPaths(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    // Drafts of a crash have one more part than tags can have.
    return entries
      .filter((entry) => entry.isFile() && !/\.[0-9a-f-]{36}$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function moveIn(from: string, blob: string): Promise<void> {
  await mkdir(dirname(blob), { recursive: true, mode: 0o700 })
  await rename(from, blob)
  // Renaming one link to a file over another of its links leaves both.
  await rm(from, { force: true })
  await syncFolder(dirname(blob))
}

/** A name for people is worth a link, not a copy; several files of one model need theirs. */
async function linkReadably(blob: string, path: string, ofFiles: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rm(path, { force: true })
    await link(blob, path).catch(() => symlink(relative(dirname(path), blob), path))
  } catch (error) {
    if (ofFiles > 1) throw error
  }
}

/** Removes folders that are left empty, from the inside out. */
async function removeEmpty(folder: string, upTo: string): Promise<void> {
  for (let at = folder; at !== upTo && at.startsWith(upTo); at = dirname(at)) {
    try {
      await rmdir(at)
    } catch {
      return
    }
  }
}
