import type { ModelFile, ModelSource } from '@freehold/core/device/parts'
import { bytesOf } from '../engine/read-model.ts'
import { fetchSource } from '../engine/read-source.ts'
import { readModelFile } from './read-model-file.ts'

/**
 * Finds models by the names that the page gives them.
 * @param urls where each is: an address, or the `blob:` of a file that a person chose
 */
export function createModelSource(urls: Readonly<Record<string, string>>): ModelSource {
  const found = new Map<string, Promise<ModelFile>>()
  return {
    names: `This page has ${Object.keys(urls).join(' and ') || 'none'}`,
    find: async (name) => {
      const url = urls[name]
      if (url === undefined) return null
      const known = found.get(url) ?? readModelFile(url).then(({ file }) => file)
      found.set(url, known)
      known.catch(() => found.delete(url))
      return known
    },
    read: async (source, from, count) => bytesOf(await fetchSource(source, {}), from, count),
  }
}
