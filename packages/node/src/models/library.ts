import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { isModelId } from '@freehold/core/device/model-id'
import type { ModelFile } from '@freehold/core/device/parts'
import { ModelError } from '@freehold/core/errors'
import type { Paths } from '../config.ts'
import { BUNDLED } from './acorn.ts'
import {
  type ForeignFolders,
  type ForeignOrigin,
  foreignFolders,
  listForeignModels,
} from './foreign-stores.ts'
import { type KnownFiles, openKnownFiles } from './known-files.ts'
import type { StoredModel } from './manifest-file.ts'
import { formatModelName, isSameModel, pickTag, tryModelName } from './name.ts'
import { modelIdOf, type ReadModelInit } from './read-model-file.ts'
import { parseShard } from './shards.ts'
import { type ModelStore, nameOf, openModelStore } from './store.ts'

/** A model that is on this device, whoever put it there. */
export interface FoundModel {
  name: string
  origin: 'bundled' | 'store' | 'file' | ForeignOrigin
  /** Its files, in order; an engine loads the first and finds the others beside it. */
  paths: readonly string[]
  /** Its entry, when it is in our own store. */
  stored: StoredModel | null
  /** Its id as another program's store says it, unchecked; for lists alone. */
  saidId?: string | undefined
}

/** All models on this device: bundled, stored, in other programs' stores, and files. Asks no network. */
export interface ModelLibrary {
  readonly store: ModelStore
  readonly known: KnownFiles
  /** All that have a name, our own first. */
  list(): Promise<FoundModel[]>
  /** null: the name means nothing here. @throws ModelError when files of it are missing */
  find(name: string): Promise<FoundModel | null>
  /** What a model is; its files are hashed if they are new or have changed. @throws ModelError */
  read(model: FoundModel, init?: ReadModelInit): Promise<ModelFile>
  /** The id of the model that an engine loads by a path: the others of several files count too. */
  modelIdAt(path: string, init?: ReadModelInit): Promise<string>
}

export interface ModelLibraryInit {
  paths: Pick<Paths, 'models'> & { hashes: Paths['hashes'] | null }
  /** Paths by names in lower case. */
  bundled?: Readonly<Record<string, string>> | undefined
  foreign?: ForeignFolders | undefined
}

export function openModelLibrary(init: ModelLibraryInit): ModelLibrary {
  const { paths, bundled = BUNDLED, foreign = foreignFolders() } = init
  const known = openKnownFiles(paths.hashes)
  const store = openModelStore(paths.models, { known })

  const fromStore = (stored: StoredModel): FoundModel => ({
    name: nameOf(stored),
    origin: 'store',
    paths: store.paths(stored),
    stored,
  })

  async function find(text: string): Promise<FoundModel | null> {
    const bundledName = text.toLowerCase()
    const path = Object.hasOwn(bundled, bundledName) ? bundled[bundledName] : undefined
    if (path !== undefined) {
      return { name: bundledName, origin: 'bundled', paths: [path], stored: null }
    }
    if (isPath(text)) return findFile(text)
    const stored = isModelId(text) ? await store.byId(text) : null
    if (stored !== null) return fromStore(stored)
    const name = tryModelName(text)
    if (name !== null) {
      const own = await store.find(name)
      if (own !== null) return fromStore(own)
      const theirs = (await listForeignModels(foreign)).filter((one) => isSameModel(one.name, name))
      const picked = pickTag(theirs, name.tag)
      const found = picked && { ...picked, name: formatModelName(picked.name), stored: null }
      if (found !== undefined && (await hasDigest(found, name.digest))) return found
    }
    // A path without an ending may look like a name.
    return text.includes('/') && (await isThere(resolve(text))) ? findFile(text) : null
  }

  async function hasDigest(model: FoundModel, digest: string | null): Promise<boolean> {
    return digest === null || modelIdOf((await readModel(known, model)).manifest) === digest
  }

  return {
    store,
    known,
    find,
    list: async () => {
      const own = Object.entries(bundled).map(
        ([name, path]): FoundModel => ({ name, origin: 'bundled', paths: [path], stored: null }),
      )
      const theirs = (await listForeignModels(foreign)).map(
        (model): FoundModel => ({ ...model, name: formatModelName(model.name), stored: null }),
      )
      return [...own, ...(await store.list()).map(fromStore), ...theirs]
    },
    read: (model, readInit) => readModel(known, model, readInit),
    modelIdAt: async (path, readInit) => {
      const whole = { name: path, paths: await modelPaths(path), stored: null }
      return modelIdOf((await readModel(known, whole, readInit)).manifest)
    },
  }
}

/** What a model's files are, put together. */
async function readModel(
  known: KnownFiles,
  model: Pick<FoundModel, 'name' | 'paths' | 'stored'>,
  init: ReadModelInit = {},
): Promise<ModelFile> {
  const parts: ModelFile[] = []
  for (const path of model.paths) parts.push(await known.read(path, init))
  const [first] = parts
  if (first === undefined) throw new ModelError({ what: `${model.name} has no files` })
  const whole =
    parts.length === 1
      ? first
      : {
          source: first.source,
          manifest: { files: parts.flatMap((part) => part.manifest.files) },
          chunkHashes: new Uint8Array(),
        }
  if (model.stored && model.stored.modelId !== modelIdOf(whole.manifest)) {
    throw new ModelError({
      what: `the file of ${model.name} has changed since it was stored`,
      why: 'its bytes have another SHA-256',
      next: `Remove it (freehold rm ${model.name}), and pull or import it again`,
    })
  }
  return whole
}

/** How large a model's files are, and when the last of them changed. */
export async function sizeOf({ paths }: Pick<FoundModel, 'paths'>) {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)))
  return {
    sizeBytes: found.reduce((sum, one) => sum + (one?.size ?? 0), 0),
    changedAtMs: Math.max(0, ...found.map((one) => Math.round(one?.mtimeMs ?? 0))),
  }
}

async function findFile(text: string): Promise<FoundModel> {
  const path = resolve(text.replace(/^~(?=[/\\])/, homedir()))
  return { name: basename(path), origin: 'file', paths: await modelPaths(path), stored: null }
}

/** The files of the model that a path belongs to. @throws ModelError when some are missing */
async function modelPaths(path: string): Promise<string[]> {
  const shard = parseShard(basename(path))
  if (shard === null) return [path]
  const paths = shard.all.map((name) => join(dirname(path), name))
  const areThere = await Promise.all(paths.map(isThere))
  const missing = shard.all.filter((_, index) => !areThere[index])
  if (missing.length === 0) return paths
  throw new ModelError({
    what: `the model at ${path} is not whole`,
    why: `of its ${shard.count} files ${missing.length} are missing, such as ${missing[0]}`,
    next: 'Put all of them into one folder',
  })
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
}

/** Whether what was typed can only mean a file. */
export function isPath(text: string): boolean {
  return /\.gguf$/i.test(text) || /^(\.{0,2}|~)[/\\]|\\/i.test(text)
}
