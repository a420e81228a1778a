import type { Model } from '../../packages/core/src/engine/engine.ts'
import { listCpuVariants } from '../../packages/node/src/engine/cpu-variants.ts'
import {
  createLlamaEngine,
  type LlamaEngineInit,
} from '../../packages/node/src/engine/llama-engine.ts'
import { loadInPage } from './page-model.ts'

/** One model under one way of computing it. */
export interface LoadedModel {
  /** Such as `haswell` or `haswell, flash attention`. */
  name: string
  model: Model
}

/** Loads models and ends them all together. */
export interface Loader extends AsyncDisposable {
  load(path: string, init?: LlamaEngineInit & { sequences?: number }): Promise<Model>
  /** The model at `path` under every CPU variant that runs here, the best first, then with flash attention. */
  loadVariants(path: string): Promise<LoadedModel[]>
  /** The model at `path` in WebAssembly, in a page of its own. */
  loadPage(path: string): Promise<LoadedModel>
  /** Each of several models. */
  loadAll(paths: Readonly<Record<string, string>>): Promise<Record<string, Model>>
}

export function createLoader(): Loader {
  const open: AsyncDisposable[] = []
  const load: Loader['load'] = async (path, { sequences = 1, ...init } = {}) => {
    const engine = createLlamaEngine({ gpu: false, ...init })
    open.push(engine)
    return engine.load(path, { sequences })
  }
  return {
    load,
    loadVariants: async (path) => {
      const variants = await listCpuVariants()
      const loaded: LoadedModel[] = []
      for (const { name } of variants) {
        loaded.push({ name, model: await load(path, { cpuVariant: name }) })
      }
      if (loaded.length === 0) loaded.push({ name: 'cpu', model: await load(path) })
      const [best] = loaded as [LoadedModel]
      const flash = await load(path, { flashAttn: true })
      return [...loaded, { name: `${best.name}, flash attention`, model: flash }]
    },
    loadPage: async (path) => {
      const model = await loadInPage(path)
      open.push(model)
      return { name: 'WebAssembly', model }
    },
    loadAll: async (paths) => {
      const loaded: Record<string, Model> = {}
      for (const [name, path] of Object.entries(paths)) loaded[name] = await load(path)
      return loaded
    },
    [Symbol.asyncDispose]: async () => {
      for (const each of open) await each[Symbol.asyncDispose]()
    },
  }
}
