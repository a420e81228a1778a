import { randomBytes } from 'node:crypto'
import type { Device } from '@freehold/core/device/device'
import { systemClock } from '@freehold/core/platform'
import type { Scope } from '@freehold/core/wire/frames'
import type { Hono } from 'hono'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import type { HubSettings } from '../models/hub.ts'
import type { ModelLibrary } from '../models/library.ts'
import { createAnswerService } from '../serving/answer.ts'
import { createEmbedService } from '../serving/embed.ts'
import { createLibraryModels } from '../serving/library-models.ts'
import { type AttentionInit, loadWith, needsOf } from '../serving/load-served.ts'
import { createModelPool, type ModelPoolInit } from '../serving/model-pool.ts'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import { VERSION } from '../version.ts'
import { type AppInit, createApp } from './app.ts'
import type { Dashboard } from './freehold/dashboard.ts'
import { createMetrics } from './metrics.ts'
import type { ApiEnv } from './route.ts'

export interface ServingInit extends AppInit {
  /** GGUF files to offer besides the models of the library. */
  paths: readonly string[]
  pool: ModelPoolInit
  /** Where responses are kept. */
  responses: string
  /** Where texts are kept while their model is not loaded; undefined: nowhere. */
  prefixes?: string | undefined
  widestScope: Scope
  attention?: AttentionInit | undefined
  /** Where models are pulled from. */
  hub: HubSettings
  dashboard?: Dashboard | undefined
}

export interface Serving extends AsyncDisposable {
  readonly app: Hono<ApiEnv>
}

/** Puts together what answers over HTTP: models, their pool and the interface. */
export function openServing(
  init: ServingInit,
  { device, library }: { device: Device; library: ModelLibrary },
): Serving {
  const models = createLibraryModels(init.paths, {
    library,
    hub: init.hub,
    prefixes: init.prefixes,
  })
  const engine = createLlamaEngine({ modelIdAt: (path, asked) => library.modelIdAt(path, asked) })
  const pool = createModelPool(init.pool, {
    clock: systemClock,
    load: loadWith(engine, { prefixes: init.prefixes, ...init.attention }),
    needs: (model, asked) => needsOf(model, asked, init.attention),
  })
  const storage = openSqliteStorage(init.responses)
  const newId = () => randomBytes(12).toString('hex')
  const serving = { models, pool, device, newId }
  const app = createApp(init, {
    answer: createAnswerService(serving),
    embed: createEmbedService(serving),
    models,
    pool,
    metrics: createMetrics(),
    storage,
    dashboard: init.dashboard,
    version: VERSION,
    newId,
    nowMs: Date.now,
  })
  return {
    app,
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}
