/**
 * Keeps the app so that it opens without a network. A new version waits until the person agrees:
 * an update never ends an answer that is being written.
 */

interface LifeEvent extends Event {
  waitUntil(done: Promise<unknown>): void
}

interface FetchEvent extends Event {
  readonly request: Request
  respondWith(response: Promise<Response>): void
}

interface Worker {
  readonly registration: { readonly scope: string }
  readonly clients: { claim(): Promise<void> }
  skipWaiting(): Promise<void>
  addEventListener(type: 'install' | 'activate', listener: (event: LifeEvent) => void): void
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void
}

/** Put in by the build: paths of all files of the app, and a hash of them. */
declare const FILES: readonly string[]
declare const VERSION: string
/** What a host that serves plain files may not say of itself. */
declare const HEADERS: Readonly<Record<string, string>>

const PREFIX = 'freehold-app-'
const CACHE = PREFIX + VERSION
const worker = globalThis as unknown as Worker

worker.addEventListener('install', (event) => event.waitUntil(install()))
worker.addEventListener('activate', (event) => event.waitUntil(activate()))
worker.addEventListener('message', ({ data }) => {
  if (data === 'update') void worker.skipWaiting()
})
worker.addEventListener('fetch', (event) => {
  const { request } = event
  const { scope } = worker.registration
  if (request.method !== 'GET' || !request.url.startsWith(scope)) return
  const path = new URL(request.url).pathname.slice(new URL(scope).pathname.length)
  if (request.mode === 'navigate' && (path === '' || path === 'index.html')) {
    event.respondWith(answer(request, 'index.html'))
  } else if (FILES.includes(path)) event.respondWith(answer(request, path))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll(FILES.map(requestOf))
}

async function activate(): Promise<void> {
  const names = await caches.keys()
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE)
  await Promise.all(old.map((name) => caches.delete(name)))
  await worker.clients.claim()
}

async function answer(request: Request, path: string): Promise<Response> {
  const kept = await (await caches.open(CACHE)).match(urlOf(path))
  if (kept === undefined) return fetch(request)
  const headers = new Headers(kept.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  return new Response(kept.body, { status: kept.status, headers })
}

/** At its folder a device tells programs from browsers by what they accept. */
function requestOf(path: string): Request {
  const headers = path === 'index.html' ? { accept: 'text/html' } : {}
  return new Request(urlOf(path), { cache: 'no-cache', headers })
}

/** The page itself is asked for by its folder: hosts like to send `index.html` there. */
function urlOf(path: string): string {
  return new URL(path === 'index.html' ? './' : path, worker.registration.scope).href
}
