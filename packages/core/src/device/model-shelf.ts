import type { LoadInit, Model } from '../engine/engine.ts'
import { ModelError } from '../errors.ts'
import type { DeviceComponents, ModelFile } from './parts.ts'

/** A whole model in memory, and what it is. */
export interface ShelvedModel {
  model: Model
  file: ModelFile
}

/** The whole models that a device has loaded, each once. */
export interface ModelShelf extends AsyncDisposable {
  /** null: the name means nothing here. @throws ModelError when the bytes are no model */
  find(name: string, init?: LoadInit): Promise<ShelvedModel | null>
  /** @throws ModelError when the name means nothing here or the bytes are no model */
  take(name: string, init?: LoadInit): Promise<ShelvedModel>
  /** A loaded model by its id, hex. */
  byId(modelId: string): Promise<ShelvedModel | undefined>
}

export function createModelShelf({
  engine,
  models,
}: Pick<DeviceComponents, 'engine' | 'models'>): ModelShelf {
  const loaded = new Map<string, Promise<ShelvedModel>>()

  async function find(name: string, init?: LoadInit): Promise<ShelvedModel | null> {
    const file = await models.find(name)
    if (file === null) return null
    const { source } = file
    const known = loaded.get(source)
    if (known !== undefined && (await isAlive(known))) return known
    if (loaded.get(source) === known) loaded.delete(source)
    const newer = loaded.get(source)
    if (newer !== undefined) return newer
    const loading = engine.load(source, init).then((model) => ({ model, file }))
    loaded.set(source, loading)
    // A model that failed, or whose process died, is loaded anew when it is asked for again.
    loading.catch(() => loaded.delete(source))
    return loading
  }

  return {
    find,
    take: async (name, init) => {
      const found = await find(name, init)
      if (found !== null) return found
      throw new ModelError({ what: `there is no model "${name}" here`, next: models.names })
    },
    byId: async (modelId) => {
      for (const loading of loaded.values()) {
        const shelved = await loading.catch(() => undefined)
        const isIt = shelved?.model.info.modelId === modelId
        if (isIt && (await isAlive(loading))) return shelved
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
export async function isAlive(loading: Promise<{ model: Model }>): Promise<boolean> {
  try {
    const { model } = await loading
    await model.tokenize('a')
    return true
  } catch {
    return false
  }
}
