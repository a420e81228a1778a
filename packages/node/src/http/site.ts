import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../version.ts'

/** Where `npm run build:web` puts the web app. */
export const SITE_FOLDER = fileURLToPath(new URL('../../../web/dist', import.meta.url))

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
}

/** The page, by the address that people open and the one that its service worker asks for. */
const PAGES = ['/', '/index.html']

/** Named by what they hold: another content has another name. */
const HASHED = /^\/(?:assets|models)\//

/** The files of the web app, by the paths of their addresses. */
export interface Site {
  has(path: string): boolean
  respond(path: string): Promise<Response>
}

/**
 * Looks once at what was built. Only what was found then is ever served, each under its own path: no
 * address can name another file.
 * @returns undefined where nothing was built
 */
export async function openSite(folder: string): Promise<Site | undefined> {
  if (!existsSync(join(folder, 'index.html'))) return undefined
  const files = new Map<string, string>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    files.set(file.slice(folder.length).split(sep).join('/'), file)
  }
  files.set('/', join(folder, 'index.html'))
  // The build says what a page of it needs: the same for every host.
  const said: Record<string, string> = JSON.parse(
    await readFile(join(folder, 'headers.json'), 'utf8'),
  )
  return {
    has: (path) => files.has(path),
    respond: async (path) => {
      const file = files.get(path)
      if (file === undefined) return new Response(null, { status: 404 })
      const headers = new Headers(said)
      headers.set('content-type', TYPES[extname(file)] ?? 'application/octet-stream')
      const isHashed = HASHED.test(path)
      headers.set('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache')
      const bytes = await readFile(file)
      return new Response(PAGES.includes(path) ? markPage(bytes) : bytes, { headers })
    },
  }
}

/** Tells the app that a device serves it, which has a dashboard. */
function markPage(page: Buffer): string {
  return page
    .toString('utf8')
    .replace('<head>', `<head><meta name="freehold-device" content="${VERSION}">`)
}

/** For a person who opens the address in a browser before anything was built. */
export function notBuilt(): Response {
  const text =
    'Freehold is running. Its web app is not built yet: npm run build:web, then start it again.\n'
  return new Response(text, { headers: { 'content-type': 'text/plain; charset=utf-8' } })
}
