import { ModelError, UsageError } from '@freehold/core/errors'
import { type FoundModel, type ModelLibrary, openModelLibrary } from '../models/library.ts'
import type { StoredModel } from '../models/manifest-file.ts'
import { DEFAULT_TAG, isSameModel, isSameTag, parseModelName } from '../models/name.ts'
import { nameOf } from '../models/store.ts'
import { cliPaths, type ModelOptions } from './context.ts'

/** The models of this program's own device. */
export function openCliLibrary(options: Pick<ModelOptions, 'models'>): ModelLibrary {
  return openModelLibrary({ paths: cliPaths(options) })
}

/** @throws ModelError when the name means nothing here */
export async function requireModel(library: ModelLibrary, name: string): Promise<FoundModel> {
  const found = await library.find(name)
  if (found !== null) return found
  const near = (await library.list()).filter((model) => {
    const [a, b] = [model.name.toLowerCase(), name.toLowerCase()]
    return a.includes(b) || b.includes(a.split(':')[0] ?? a)
  })
  throw new ModelError({
    what: `there is no model "${name}" here`,
    next:
      near.length > 0
        ? `Did you mean ${near.map((model) => model.name).join(' or ')}?`
        : 'freehold list shows those that are; freehold pull hf.co/USER/REPO fetches one',
  })
}

/** The file of a model by its name or path, and where it is. @throws ModelError, UsageError for several files */
export async function requireOneFile(name: string): Promise<{ path: string; isOwnFile: boolean }> {
  const { origin, paths } = await requireModel(openCliLibrary({}), name)
  const [path] = paths
  if (path === undefined || paths.length > 1) {
    throw new UsageError({ what: `${name} is ${paths.length} files`, why: 'one is worked on' })
  }
  return { path, isOwnFile: origin === 'file' }
}

/** A model of our own store, by a name that can mean no other. @throws UsageError, ModelError */
export async function requireStored(library: ModelLibrary, text: string): Promise<StoredModel> {
  const { name, origin, stored } = await requireModel(library, text)
  if (stored === null) {
    throw new UsageError({
      what: `${name} is not in Freehold’s store`,
      why: origin === 'bundled' ? 'it comes with Freehold' : `it belongs to ${OWNERS[origin]}`,
      next: origin === 'ollama' ? `Remove it there: ollama rm ${name}` : undefined,
    })
  }
  if (/^[0-9a-f]{64}$/.test(text) || parseModelName(text).tag !== null) return stored
  const all = (await library.store.list()).filter((model) => isSameModel(model.name, stored.name))
  if (all.length === 1 || isSameTag(stored.name.tag, DEFAULT_TAG)) return stored
  const names = all.map(nameOf).join(', ')
  throw new UsageError({ what: `"${text}" may mean ${names}`, next: 'Say which' })
}

const OWNERS: Readonly<Record<FoundModel['origin'], string>> = {
  bundled: 'Freehold',
  store: 'Freehold',
  file: 'whoever put the file there',
  ollama: 'Ollama',
  'lm-studio': 'LM Studio',
  'hugging-face': 'the Hugging Face cache',
}
