import type { LoadInit, Model } from '../engine/engine.ts'
import type { Manifest } from '../wire/manifest.ts'
import type { DeviceComponents } from './parts.ts'

/** A model in memory, and what it is. */
export interface ShelvedModel {
  model: Model
  manifest: Manifest
}

/** The models that a device has loaded, each once. */
export interface ModelShelf extends AsyncDisposable {
  /** @throws ModelError when the name means nothing here or the bytes are no model */
  take(name: string, init?: LoadInit): Promise<ShelvedModel>
  /** A loaded model by its id, hex. */
  byId(modelId: string): Promise<Model | undefined>
}

export function createModelShelf({
  engine,
  models,
}: Pick<DeviceComponents, 'engine' | 'models'>): ModelShelf {
  const loaded = new Map<string, Promise<ShelvedModel>>()
  return {
    take: async (name, init) => {
      const { source, manifest } = await models.resolve(name)
      const known = loaded.get(source)
      if (known !== undefined && (await isAlive(known))) return known
      if (loaded.get(source) === known) loaded.delete(source)
      const newer = loaded.get(source)
      if (newer !== undefined) return newer
      const loading = engine.load(source, init).then((model) => ({ model, manifest }))
      loaded.set(source, loading)
      // A model that failed, or whose process died, is loaded anew when it is asked for again.
      loading.catch(() => loaded.delete(source))
      return loading
    },
    byId: async (modelId) => {
      for (const loading of loaded.values()) {
        const shelved = await loading.catch(() => undefined)
        const isIt = shelved?.model.info.modelId === modelId
        if (isIt && (await isAlive(loading))) return shelved.model
      }
      return undefined
    },
    [Symbol.asyncDispose]: async () => {
      for (const loading of loaded.values()) {
        const shelved = await loading.catch(() => undefined)
        await shelved?.model[Symbol.asyncDispose]()
      }
      loaded.clear()
    },
  }
}

/** Whether a model still answers: what held it may have died since it was loaded. */
async function isAlive(loading: Promise<ShelvedModel>): Promise<boolean> {
  try {
    const { model } = await loading
    await model.tokenize('a')
    return true
  } catch {
    return false
  }
}
