import type { Via } from '@freehold/core/routing/route'
import type { Scope } from '@freehold/core/wire/frames'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Asker } from '../serving/answer.ts'
import { errorResponse, HttpError, MAX_PRICE, problemOf } from './errors.ts'
import { type GuardInit, guard } from './guard.ts'
import { readBody } from './read-body.ts'
import type { ApiEnv, ApiParts } from './route.ts'
import { ROUTES } from './routes.ts'
import { notBuilt, type Site } from './site.ts'

export interface AppInit extends GuardInit {
  /** The widest scope that a request may ask for. */
  widestScope: Scope
  /** Says what nobody foresaw. */
  onDefect?: ((error: unknown) => void) | undefined
  /** The web app's files. @default none: whoever looks for it is told how to build it */
  site?: Site | undefined
}

const SCOPES = ['device', 'own', 'friends', 'market'] as const
const VIAS = ['auto', 'here', 'peer'] as const

/** The HTTP interface as a function from requests to responses. */
export function createApp(init: AppInit, parts: ApiParts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>()

  app.use(async (c, next) => {
    const requestId = `req_${parts.newId()}`
    c.set('requestId', requestId)
    await next()
    c.res.headers.set('x-request-id', requestId)
    parts.metrics.request(c.req.routePath, c.res.status)
  })
  const { site } = init
  app.use(guard({ ...init, isOpen: (path) => site?.has(path) ?? false }))
  app.get('*', async (c, next) => {
    const isPage = c.req.path === '/' && c.req.header('accept')?.includes('text/html')
    if (isPage && site === undefined) return notBuilt()
    // Programs that ask at the root look for Ollama.
    const isFile = isPage || (c.req.path !== '/' && site?.has(c.req.path))
    return isFile && site !== undefined ? site.respond(c.req.path) : next()
  })

  for (const route of ROUTES) {
    app.on(route.method, route.path, async (c) => {
      const gone = new AbortController()
      const signal = AbortSignal.any([c.req.raw.signal, gone.signal])
      const body = route.body ? await readBody(c.req.raw, route.body, route.refuses) : undefined
      const who = { client: c.get('client'), key: c.get('key'), signal }
      const asker = askerOf(c.req.raw.headers, init.widestScope, who)
      const hangUp = () => gone.abort(new DOMException('the client is gone', 'AbortError'))
      return route.handle({ body, asker, hangUp, id: c.get('requestId'), context: c }, parts)
    })
  }

  app.notFound((c) => {
    const error = new HttpError({
      status: 404,
      code: 'unknown_url',
      what: `there is nothing at ${c.req.method} ${c.req.path}`,
      next: 'docs/api.md lists what there is',
    })
    return errorResponse(problemOf(error), c.req.path, c.get('requestId'))
  })
  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem.code === 'internal') init.onDefect?.(error)
    return errorResponse(problem, c.req.path, c.get('requestId'))
  })
  return app
}

/** Who asks, and how far that may travel. @throws HttpError */
function askerOf(
  headers: Headers,
  widest: Scope,
  who: Pick<Asker, 'client' | 'key' | 'signal'>,
): Asker {
  const scope = word(headers, 'x-freehold-scope', SCOPES) ?? 'device'
  const via: Via = word(headers, 'x-freehold-via', VIAS) ?? 'auto'
  const maxPrice = units(headers, MAX_PRICE)
  const asker = { ...who, scope, via, maxPrice }
  if (SCOPES.indexOf(scope) <= SCOPES.indexOf(widest)) return asker
  throw new HttpError({
    status: 403,
    param: 'x-freehold-scope',
    code: 'scope',
    what: `scope ${scope} is wider than this device allows`,
    why: `it was started with ${widest}`,
    next: 'Start it with serve --scope',
  })
}

/** @throws HttpError when it is no whole number */
function units(headers: Headers, name: string): bigint | undefined {
  const value = headers.get(name)
  if (value === null) return undefined
  // No amount of tokens is longer.
  if (/^\d{1,78}$/.test(value)) return BigInt(value)
  throw new HttpError({
    status: 400,
    param: name,
    code: 'invalid_value',
    what: `${name} is a whole number of token units`,
  })
}

function word<Word extends string>(
  headers: Headers,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const value = headers.get(name)
  if (value === null) return undefined
  const parsed = z.enum(words).safeParse(value)
  if (parsed.success) return parsed.data as Word
  throw new HttpError({
    status: 400,
    param: name,
    code: 'invalid_value',
    what: `${name} is one of ${words.join(', ')}`,
  })
}
