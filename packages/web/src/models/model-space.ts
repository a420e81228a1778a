import type { ModelSource } from '@freehold/core/device/parts'
import { ModelError } from '@freehold/core/errors'
import type { Storage } from '@freehold/core/storage'
import { type ReadonlySignal, signal } from '@preact/signals'
import { bytesOf, hashBlob } from '../engine/read-model.ts'
import { fetchSource } from '../engine/read-source.ts'
import { type BundledModel, bundledModels } from './bundled-models.ts'
import { createModelFolder, otherBytes } from './model-folder.ts'
import { readModelFile } from './read-model-file.ts'

/** A model that this device has or can get from where the app is. */
export interface SpaceModel {
  sha256: string
  name: string
  sizeBytes: number
  isBundled: boolean
  isHere: boolean
}

export interface Fetching {
  name: string
  /** 0 to 1. */
  done: number
}

/** The models of this app: what is on the device, what can be fetched, and what is being fetched. */
export interface ModelSpace {
  readonly models: ReadonlySignal<readonly SpaceModel[]>
  readonly fetching: ReadonlySignal<Fetching | null>
  /** What core loads models by; names are their SHA-256. */
  readonly source: ModelSource
  /** Fetches a model that comes with the app, if it is not here yet. @throws ModelError */
  fetch(sha256: string): Promise<void>
  /** Keeps a file that the person chose. @throws ModelError */
  add(file: File): Promise<void>
  /** Names a model that a download put into the folder. */
  takeIn(sha256: string, name: string): Promise<void>
  remove(sha256: string): Promise<void>
}

export async function openModelSpace(storage: Storage): Promise<ModelSpace> {
  const names = storage.table<{ name: string }>('models')
  const folder = createModelFolder()
  const models = signal<readonly SpaceModel[]>([])
  const fetching = signal<Fetching | null>(null)
  const running = new Map<string, Promise<void>>()

  async function look(): Promise<void> {
    const here = await folder.list().catch(() => new Map<string, number>())
    const bundled = bundledModels()
    const own = [...here].filter(([id]) => !bundled.some(({ sha256 }) => sha256 === id))
    const added = own.map(async ([sha256, sizeBytes]) => {
      const name = (await names.get(sha256))?.name ?? sha256.slice(0, 12)
      return { sha256, name, sizeBytes, isBundled: false, isHere: true }
    })
    const served = bundled.map((model) => ({
      ...model,
      isBundled: true,
      isHere: here.has(model.sha256),
    }))
    models.value = [...served, ...(await Promise.all(added))]
  }

  async function fetchOne({ name, sha256, sizeBytes }: BundledModel): Promise<void> {
    fetching.value = { name, done: 0 }
    try {
      const url = new URL(`models/${sha256}.gguf`, document.baseURI)
      const { ok, status, body } = await fetch(url)
      if (!ok || body === null) throw new Error(`the server says ${status}`)
      const onProgress = (done: number) => {
        fetching.value = { name, done: done / sizeBytes }
      }
      await folder.keep(body, { sha256, onProgress })
    } catch (cause) {
      if (cause instanceof ModelError) throw cause
      throw new ModelError({
        what: `${name} cannot be fetched`,
        why: cause instanceof Error ? cause.message : String(cause),
        next: 'Try again when this device is online.',
        cause,
      })
    } finally {
      fetching.value = null
      await look()
    }
  }

  async function fetchOnce(sha256: string): Promise<void> {
    const model = bundledModels().find((bundled) => bundled.sha256 === sha256)
    if (model === undefined || (await folder.open(sha256)) !== null) return
    const known = running.get(sha256) ?? fetchOne(model).finally(() => running.delete(sha256))
    running.set(sha256, known)
    await known
  }

  await look()
  return {
    models,
    fetching,
    source: {
      names: 'The page Models shows what is here',
      find: async (id) => {
        await fetchOnce(id)
        const blob = await folder.open(id)
        if (blob === null) return null
        const url = URL.createObjectURL(blob)
        try {
          const { file, modelId } = await readModelFile(url)
          if (modelId !== id) throw otherBytes()
          return file
        } finally {
          URL.revokeObjectURL(url)
        }
      },
      read: async (source, from, count) => bytesOf(await fetchSource(source, {}), from, count),
    },
    fetch: fetchOnce,
    add: async (file) => {
      const name = file.name.replace(/\.gguf$/i, '')
      try {
        fetching.value = { name, done: 0 }
        const sha256 = await hashBlob(file)
        const onProgress = (done: number) => {
          fetching.value = { name, done: done / file.size }
        }
        await names.put(sha256, { name })
        await folder.keep(file.stream(), { sha256, onProgress })
      } finally {
        fetching.value = null
        await look()
      }
    },
    takeIn: async (sha256, name) => {
      await names.put(sha256, { name })
      await look()
    },
    remove: async (sha256) => {
      await folder.remove(sha256)
      await names.update(sha256, () => undefined)
      await look()
    },
  }
}
