import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import type { NamedToken } from '../config.ts'
import { errorResponse, HttpError, problemOf } from './errors.ts'
import type { ApiEnv } from './route.ts'

export interface GuardInit {
  /** Who must name one of these gets in; none: everybody on this machine. */
  tokens: readonly (string | NamedToken)[]
  /** Web pages that may ask, besides those of this machine, such as `https://chat.example`. */
  origins: readonly string[]
  /** Names of this device in `Host`, besides those of loopback, such as `host.docker.internal`. */
  hosts: readonly string[]
  /** Paths that hold nothing of the person's: a browser that opens them can show no token. @default none */
  isOpen?: ((path: string) => boolean) | undefined
}

/** Names that no name server can give to somebody else. */
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Schemes of programs, which no page of the web can have. */
const PROGRAM_SCHEMES = ['app:', 'tauri:', 'vscode-webview:']

/** Can be asked without a token: it says that the device is there, and nothing else. */
const OPEN_PATHS = new Set(['/health'])

/**
 * Lets nobody in whom the person did not mean: a web page that they visit reaches this port as well as
 * they do. `Host` must be a name of this machine (a page whose own name was turned to 127.0.0.1
 * sends its own); `Origin` a page of this machine, or one that was allowed; the token, where there
 * are any, must be one of them.
 */
export function guard(init: GuardInit): MiddlewareHandler<ApiEnv> {
  const known = init.tokens.map((token) =>
    typeof token === 'string' ? { name: undefined, token } : token,
  )
  const digests = known.map(({ token }) => digestOf(token))
  const origins = new Set(init.origins)
  const hosts = new Set([...LOOPBACK, ...init.hosts.map((host) => host.toLowerCase())])

  return async (c, next) => {
    const header = (name: string) => c.req.header(name)
    const origin = header('origin')
    const refuse = (error: HttpError) =>
      errorResponse(problemOf(error), c.req.path, c.get('requestId'))
    if (!hosts.has(hostName(header('host') ?? ''))) return refuse(wrongHost(header('host')))
    if (origin === undefined ? isForeign(header('sec-fetch-site')) : !isAllowed(origin, origins)) {
      return refuse(wrongOrigin(origin))
    }
    if (origin !== undefined) allow(c.res.headers, origin)
    if (c.req.method === 'OPTIONS') return preflight(c.req.raw.headers, origin)
    const token = bearer(header('authorization')) ?? header('x-api-key')
    const place = placeOf(token, digests)
    const isOpen = OPEN_PATHS.has(c.req.path) || (isRead(c.req.method) && init.isOpen?.(c.req.path))
    if (digests.length > 0 && !isOpen && place < 0) {
      return withOrigin(refuse(wrongToken()), origin)
    }
    c.set('key', known[place]?.name)
    c.set('client', `${token ?? ''} ${header('user-agent') ?? ''}`)
    await next()
    if (origin !== undefined) allow(c.res.headers, origin)
    return undefined
  }
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** `Host` without its port: who forwards a port may give it another number. */
function hostName(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase()
}

function isAllowed(origin: string, origins: ReadonlySet<string>): boolean {
  if (origins.has(origin)) return true
  // Sandboxed frames of any page call themselves `null`.
  if (!URL.canParse(origin)) return false
  const { protocol, hostname } = new URL(origin)
  if (PROGRAM_SCHEMES.includes(protocol)) return true
  return (protocol === 'http:' || protocol === 'https:') && LOOPBACK.has(hostname)
}

/** A page asks without naming itself: images, scripts and links of another site. */
function isForeign(site: string | undefined): boolean {
  return site === 'cross-site' || site === 'same-site'
}

function preflight(asked: Headers, origin: string | undefined): Response {
  const headers = new Headers({
    'access-control-allow-methods': 'GET, HEAD, POST, DELETE',
    'access-control-allow-headers': asked.get('access-control-request-headers') ?? '*',
    'access-control-max-age': '600',
  })
  // Browsers ask this before a page may reach the person's own machine.
  if (asked.get('access-control-request-private-network') === 'true') {
    headers.set('access-control-allow-private-network', 'true')
  }
  return withOrigin(new Response(null, { status: 204, headers }), origin)
}

function withOrigin(response: Response, origin: string | undefined): Response {
  if (origin !== undefined) allow(response.headers, origin)
  return response
}

function allow(headers: Headers, origin: string): void {
  headers.set('access-control-allow-origin', origin)
  headers.set('access-control-expose-headers', 'x-request-id, retry-after, x-freehold-receipt')
  headers.set('vary', 'origin')
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1]
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Which token it is; -1: none. Takes as long for a nearly right token as for a wrong one. */
function placeOf(token: string | undefined, digests: readonly Buffer[]): number {
  if (token === undefined) return -1
  const digest = digestOf(token)
  return digests.map((known) => timingSafeEqual(known, digest)).indexOf(true)
}

function wrongHost(host = ''): HttpError {
  return new HttpError({
    status: 403,
    code: 'host',
    what: `this device is not called "${host.slice(0, 200)}"`,
    next: 'Ask at 127.0.0.1 or localhost, or allow the name with serve --allow-host',
  })
}

function wrongOrigin(origin = 'another site'): HttpError {
  return new HttpError({
    status: 403,
    code: 'origin',
    what: `pages of ${origin.slice(0, 200)} may not ask this device`,
    next: 'Allow them with serve --allow-origin, if they are yours',
  })
}

function wrongToken(): HttpError {
  return new HttpError({
    status: 401,
    code: 'invalid_api_key',
    what: 'this device asks for a token',
    next: 'Send it as "Authorization: Bearer …" or "x-api-key: …"',
  })
}
