import type { Storage } from '@freehold/core/storage'
import type { Context } from 'hono'
import type { z } from 'zod'
import type { AnswerService, Asker } from '../serving/answer.ts'
import type { EmbedService } from '../serving/embed.ts'
import type { ModelManager } from '../serving/model-manager.ts'
import type { ModelPool } from '../serving/model-pool.ts'
import type { Dashboard } from './freehold/dashboard.ts'
import type { Metrics } from './metrics.ts'

export interface ApiEnv {
  Variables: {
    requestId: string
    client: string
    /** Name of the token that was shown. */
    key: string | undefined
  }
}

/** What the routes work with. */
export interface ApiParts {
  answer: AnswerService
  embed: EmbedService
  models: ModelManager
  pool: ModelPool
  metrics: Metrics
  /** Absent: there is none, as in a process that serves commands alone. */
  dashboard?: Dashboard | undefined
  /** Where responses are kept that can be gone on from. */
  storage: Storage
  version: string
  /** Letters and digits that nobody has had before. */
  newId: () => string
  nowMs: () => number
}

/** One request, checked. */
export interface ApiRequest<Body> {
  body: Body
  asker: Asker
  /** Ends what is computed for this request, when nobody waits for it any more. */
  hangUp: () => void
  id: string
  context: Context<ApiEnv>
}

/**
 * Parameters that we know and do not support (`options.num_gpu` is one inside another), each with the
 * values that ask for nothing. Whatever else they are gets 400: nothing is dropped silently.
 */
export type Refusals = Readonly<Record<string, readonly unknown[]>>

export interface ApiRoute<Schema extends z.ZodType = z.ZodType> {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  /** One sentence for the reference. */
  about: string
  body?: Schema
  refuses?: Refusals
  handle(request: ApiRequest<z.output<Schema>>, parts: ApiParts): Promise<Response> | Response
}

/** Gives a route the type of its own body, and the table one type for all. */
export function route<Schema extends z.ZodType>(init: ApiRoute<Schema>): ApiRoute {
  return init as unknown as ApiRoute
}
