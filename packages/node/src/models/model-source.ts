import { open } from 'node:fs/promises'
import { isModelId } from '@freehold/core/device/model-id'
import type { ModelSource } from '@freehold/core/device/parts'
import { BUNDLED } from './acorn.ts'
import { isPath, type ModelLibrary } from './library.ts'
import { HUB_HOST, OLLAMA_HOST, tryModelName } from './name.ts'

/** Finds a device's models in its library. */
export function createModelSource(library: Pick<ModelLibrary, 'find' | 'read'>): ModelSource {
  return {
    names:
      'freehold list shows those that are; freehold pull hf.co/USER/REPO fetches one; a GGUF is named by its path',
    find: async (name) => {
      const found = await library.find(name)
      return found === null ? null : library.read(found)
    },
    read: async (source, from, count) => {
      await using file = await open(source)
      const bytes = new Uint8Array(count)
      const { bytesRead } = await file.read(bytes, 0, count, from)
      return bytes.subarray(0, bytesRead)
    },
  }
}

/** Whether what was typed can only mean a model, rather than a prompt. */
export function isModelName(text: string): boolean {
  const isFile = /\.gguf$/i.test(text) && isPath(text)
  const isRemote = [HUB_HOST, OLLAMA_HOST].includes(tryModelName(text)?.host ?? '')
  return Object.hasOwn(BUNDLED, text.toLowerCase()) || isFile || isRemote || isModelId(text)
}
