/** A model store in a folder of its own, and models to put into it. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import type { ModelSource } from '@freehold/core/device/parts'
import { BUNDLED } from './acorn.ts'
import { type KnownFiles, openKnownFiles } from './known-files.ts'
import { openModelLibrary } from './library.ts'
import type { StoredModel } from './manifest-file.ts'
import { createModelSource } from './model-source.ts'
import { parseModelName } from './name.ts'
import { readModelFile } from './read-model-file.ts'
import { type ModelStore, openModelStore, storableName } from './store.ts'

export interface StoreHome extends AsyncDisposable {
  folder: string
  known: KnownFiles
  store: ModelStore
  /** Puts copies of files into the store, without a pull or an import. */
  put(name: string, ...paths: string[]): Promise<StoredModel>
}

export async function createStoreHome(): Promise<StoreHome> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-store-'))
  const known = openKnownFiles(join(folder, 'hashes'))
  const store = openModelStore(join(folder, 'models'), { known })
  return {
    folder,
    known,
    store,
    put: async (name, ...paths) => {
      const incoming = new Map<string, string>()
      const files = []
      for (const [index, path] of paths.entries()) {
        const [file] = (await readModelFile(path)).manifest.files
        if (file === undefined) continue
        const copy = join(folder, `incoming-${index}`)
        await copyFile(path, copy)
        incoming.set(toHex(file.sha256), copy)
        files.push({ ...file, fileName: basename(path) })
      }
      const model = {
        name: storableName(parseModelName(name)),
        files,
        from: 'a test',
        addedAtMs: 0,
      }
      return store.add(model, incoming)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export const NO_FOREIGN = { ollama: [], 'lm-studio': [], 'hugging-face': [] } as const

/** Models by the given names and by paths alone, whatever else this machine holds. */
export function createBareModels(bundled: Readonly<Record<string, string>> = BUNDLED): ModelSource {
  const paths = { models: join(tmpdir(), `freehold-no-store-${process.pid}`), hashes: null }
  return createModelSource(openModelLibrary({ paths, bundled, foreign: NO_FOREIGN }))
}
