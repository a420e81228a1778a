import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { ModelError, UsageError } from '@freehold/core/errors'
import { removePrefixes } from '../engine/prefix-files.ts'
import { BUNDLED } from '../models/acorn.ts'
import { describeModelFiles } from '../models/describe-model.ts'
import type { HubSettings } from '../models/hub.ts'
import type { FoundModel, ModelLibrary } from '../models/library.ts'
import type { StoredModel } from '../models/manifest-file.ts'
import { parseModelName } from '../models/name.ts'
import { asOllamaMeans } from '../models/ollama-name.ts'
import { type PullInit, type PullProgress, pull, useProxies } from '../models/pull.ts'
import { requireFreeName, storableName } from '../models/store.ts'
import { NoSuchModelError } from './errors.ts'
import type { ManagedModel, ManagerProgress, ModelDetails, ModelManager } from './model-manager.ts'

/** Tags that everybody adds to a name without meaning anything by it. */
const DEFAULT_TAG = ':latest'
/** Longer texts of the metadata, such as merges and templates, are not for showing. */
const MAX_SHOWN_CHARACTERS = 512

/**
 * Offers the models of this device's library and files that the person named, and no other file: who
 * may ask this device must not read its disk.
 * @param paths of GGUF files; each is called by its file's name
 * @throws UsageError when two would be called the same
 */
export function createLibraryModels(
  paths: readonly string[],
  {
    library,
    hub = {},
    prefixes,
  }: {
    library: ModelLibrary
    hub?: HubSettings
    /** Where texts of models are kept, which go with them. */
    prefixes?: string | undefined
  },
): ModelManager {
  const named = new Map<string, string>()
  for (const path of paths) {
    const name = basename(path)
      .replace(/\.gguf$/i, '')
      .toLowerCase()
    if (named.has(name) || Object.hasOwn(BUNDLED, name)) {
      throw new UsageError({
        what: `two models would be called ${name}`,
        next: 'Rename one of the files',
      })
    }
    named.set(name, resolve(path))
  }

  async function managed(name: string, source: string): Promise<ManagedModel> {
    const found = await stat(source).catch((cause: unknown) => {
      throw new ModelError({ what: `the file of ${name} cannot be read`, cause })
    })
    const place = `${found.dev}:${found.ino}`
    return {
      ...{ name, source, place },
      sizeBytes: found.size,
      modifiedMs: Math.floor(found.mtimeMs),
    }
  }

  async function managedFound({ name, paths: files, saidId }: FoundModel): Promise<ManagedModel> {
    const parts = await Promise.all(files.map((path) => managed(name, path)))
    const [first] = parts
    if (first === undefined) throw new ModelError({ what: `${name} has no file` })
    return { ...first, saidId, sizeBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0) }
  }

  async function find(asked: string): Promise<FoundModel | null> {
    const lower = asked.toLowerCase()
    const name = lower.endsWith(DEFAULT_TAG) ? asked.slice(0, -DEFAULT_TAG.length) : asked
    const found = await library.find(isBundled(asked) ? name : asked)
    return found?.origin === 'file' ? null : found
  }

  async function requireStored(name: string): Promise<StoredModel> {
    const found = await find(name)
    if (found === null) throw new NoSuchModelError({ what: `there is no model "${name}" here` })
    if (found.stored !== null) return found.stored
    throw new UsageError({ what: `${found.name} is not in the store of this device` })
  }

  return {
    list: async () => [
      ...(await Promise.all([...named].map(([name, source]) => managed(name, source)))),
      ...(await Promise.all((await library.list()).map(managedFound))),
    ],
    find: async (asked) => {
      const lower = asked.toLowerCase()
      const name = lower.endsWith(DEFAULT_TAG) ? lower.slice(0, -DEFAULT_TAG.length) : lower
      const source = named.get(name)
      if (source !== undefined) return managed(name, source)
      const found = await find(asked)
      return found && managedFound(found)
    },
    describe: (model, how) => describe(model, library, how),
    store: {
      pull: (name, { signal }) => pullInSteps(name, { ...hub, signal }, library),
      copy: async (from, to) => {
        const model = await requireStored(from)
        const name = storableName(parseModelName(to))
        await requireFreeName(library.store, name, model.modelId)
        await library.store.add({ ...model, name, addedAtMs: Date.now() }, new Map())
      },
      remove: async (name) => {
        const model = await requireStored(name)
        await library.store.remove(model)
        if (prefixes !== undefined) await removePrefixes(prefixes, model.modelId)
      },
    },
  }
}

/** Whether it comes with Freehold, so that there is nothing to fetch. */
function isBundled(asked: string): boolean {
  const name = asked.toLowerCase()
  const bare = name.endsWith(DEFAULT_TAG) ? name.slice(0, -DEFAULT_TAG.length) : name
  return Object.hasOwn(BUNDLED, bare)
}

/** A pull, told as it goes on in the words of Ollama. */
async function* pullInSteps(
  name: string,
  init: PullInit,
  library: ModelLibrary,
): AsyncGenerator<ManagerProgress> {
  const steps: ManagerProgress[] = []
  let more = Promise.withResolvers<void>()
  const tell = (step: ManagerProgress) => {
    steps.push(step)
    more.resolve()
  }
  const onProgress = (progress: PullProgress) => tell(toStep(progress))
  let isDone = false
  const endProxies = useProxies()
  const work = Promise.resolve(isBundled(name) ? null : asOllamaMeans(name, library))
    .then((meant) => meant && pull(meant.text, { ...init, as: meant.as, onProgress }, { library }))
    .then(() => tell({ status: 'success' }))
    .finally(() => {
      endProxies()
      isDone = true
      more.resolve()
    })
  work.catch(() => {})
  for (;;) {
    const step = steps.shift()
    if (step !== undefined) yield step
    else if (isDone) break
    else {
      await more.promise
      more = Promise.withResolvers<void>()
    }
  }
  await work
}

function toStep(progress: PullProgress): ManagerProgress {
  switch (progress.status) {
    case 'asking':
      return { status: 'pulling manifest' }
    case 'waiting':
      return { status: `waiting for another process that pulls ${progress.file}` }
    case 'retrying':
      return { status: `retrying: ${progress.why}` }
    default: {
      const { file, totalBytes: total, completedBytes: completed } = progress
      const isPull = progress.status === 'pulling'
      return { status: isPull ? `pulling ${file}` : 'verifying sha256 digest', total, completed }
    }
  }
}

async function describe(
  model: ManagedModel,
  library: ModelLibrary,
  { isListing = false }: { isListing?: boolean | undefined } = {},
): Promise<ModelDetails> {
  const { source, name } = model
  // By its first file the library finds the others.
  const found = await library.find(source)
  if (found === null) throw new ModelError({ what: `the file of ${name} cannot be read` })
  const { title: _, lists: _lists, ...described } = await describeModelFiles({ ...found, name })
  const metadata = Object.entries(described.metadata).filter(
    ([, value]) => typeof value !== 'string' || value.length <= MAX_SHOWN_CHARACTERS,
  )
  return {
    ...described,
    ...model,
    modelId: (isListing ? model.saidId : undefined) ?? (await library.modelIdAt(source)),
    metadata: Object.fromEntries(
      metadata.map(([key, value]) => [key, typeof value === 'bigint' ? Number(value) : value]),
    ),
  }
}
