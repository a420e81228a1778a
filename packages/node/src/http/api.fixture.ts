/** The HTTP interface around models of a few lines, or around any others. */
import type { Device } from '@freehold/core/device/device'
import { systemClock } from '@freehold/core/platform'
import { createMemoryStorage } from '@freehold/core/storage.memory'
import { createAnswerService } from '../serving/answer.ts'
import { createEmbedService } from '../serving/embed.ts'
import type { ModelManager } from '../serving/model-manager.ts'
import { namedModels, type ScriptedInit, scriptedModel } from '../serving/model-pool.fixture.ts'
import { createModelPool, type ModelPoolInit } from '../serving/model-pool.ts'
import type { LoadServed } from '../serving/served-model.ts'
import { type AppInit, createApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import type { ApiParts } from './route.ts'

export interface ApiInit extends Partial<AppInit> {
  script?: ScriptedInit | undefined
  pool?: ModelPoolInit | undefined
  models?: ModelManager | undefined
  load?: LoadServed | undefined
  complete?: Device['complete'] | undefined
  reach?: Device['reach'] | undefined
}

/** An interface with one model, called `toy`, unless it is told otherwise. */
export function createTestApi(init: ApiInit = {}) {
  const scripted = scriptedModel(init.script)
  const models = init.models ?? namedModels(['toy'], init.script?.info)
  const load = init.load ?? (async () => scripted)
  const pool = createModelPool(init.pool ?? {}, { clock: systemClock, load })
  let ids = 0
  const newId = () => `id${ids++}`
  const complete = init.complete ?? (() => Promise.reject(new Error('nobody lends here')))
  const reach = init.reach ?? (async ({ scope }) => ({ scope, because: [] }))
  const widestScope = init.widestScope ?? 'device'
  const serving = { models, pool, device: { complete, reach }, newId }
  const parts: ApiParts = {
    answer: createAnswerService(serving),
    embed: createEmbedService(serving),
    models,
    pool,
    metrics: createMetrics(),
    storage: createMemoryStorage(),
    version: '0.1.0',
    newId,
    nowMs: () => 1_700_000_000_000,
  }
  const defects: unknown[] = []
  const onDefect = (error: unknown) => defects.push(error)
  const guards = { tokens: [], origins: [], hosts: [] }
  const app = createApp({ ...guards, widestScope, onDefect, ...init }, parts)

  const send = (
    path: string,
    body?: unknown,
    { method, headers, signal }: { method?: string; headers?: object; signal?: AbortSignal } = {},
  ) =>
    app.request(path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { host: 'localhost:1215', ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  return {
    app,
    parts,
    scripted,
    defects,
    send,
    /** Status and JSON of an answer. */
    ask: async (...args: Parameters<typeof send>) => {
      const response = await send(...args)
      return {
        status: response.status,
        headers: response.headers,
        // biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect
        json: (await response.json()) as any,
      }
    },
    /** Events of a stream, as JSON where they are. */
    events: async (...args: Parameters<typeof send>) =>
      eventsOf(await (await send(...args)).text()),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  }
}

/** `data` of server-sent events. */
// biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect
export function eventsOf(text: string): any[] {
  return text
    .split('\n\n')
    .map((block) =>
      block
        .split('\n')
        .find((line) => line.startsWith('data: '))
        ?.slice(6),
    )
    .filter((data) => data !== undefined)
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)))
}
