import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isModelId } from '@freehold/core/device/offers'
import type { ModelFile, ModelSource } from '@freehold/core/device/parts'
import { BUNDLED } from './acorn.ts'

/**
 * Finds models by the name of a bundled one, or by the path of a GGUF file.
 * @param bundled paths by names in lower case
 */
export function createModelSource(
  bundled: Readonly<Record<string, string>> = BUNDLED,
): ModelSource {
  const known = new Map<string, { state: string; file: Promise<ModelFile> }>()

  /** A file is read again when it has changed: every answer asks, and reading takes seconds. */
  async function fileOf(source: string): Promise<ModelFile> {
    const state = await stateOf(source)
    const old = known.get(source)
    if (old?.state === state) return old.file
    const file = readModelFile(source)
    known.set(source, { state, file })
    file.catch(() => known.delete(source))
    return file
  }

  return {
    names: `Bundled are ${Object.keys(bundled).join(' and ')}; or give the path of a GGUF file`,
    find: async (name) => {
      const source = bundled[name.toLowerCase()] ?? (isPath(name) ? resolve(name) : undefined)
      return source === undefined ? null : fileOf(source)
    },
    read: async (source, from, count) => {
      await using file = await open(source)
      const bytes = new Uint8Array(count)
      const { bytesRead } = await file.read(bytes, 0, count, from)
      return bytes.subarray(0, bytesRead)
    },
  }
}

/** Changes whenever the file does; empty when it is not there, which reading it says better. */
async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found ? [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join() : ''
}

/** Whether what was typed can only mean a file. */
export function isPath(name: string): boolean {
  return name.endsWith('.gguf') || name.includes('/') || name.includes('\\')
}

/** Whether what was typed means a model at all, rather than a prompt. */
export function isModelName(name: string): boolean {
  const isFile = isPath(name) && name.endsWith('.gguf')
  return name.toLowerCase() in BUNDLED || isFile || isModelId(name)
}
