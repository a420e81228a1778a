import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { type BuiltApp, buildApp } from '../../build.ts'
import { HEADERS } from '../../headers.ts'
import { type ChromiumInit, launchChromium } from './chromium.fixture.ts'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
}

/** The built app at a host of plain files, and browsers that visit it. */
export interface AppSite extends AsyncDisposable {
  readonly built: BuiltApp
  readonly url: string
  /** What the host sends in place of a file of the app; undefined: the file. */
  readonly instead: Map<string, Uint8Array>
  readonly browser: Browser
  /** A person who was never here. */
  visitor(init?: BrowserContextOptions): Promise<Visitor>
}

export interface Visitor extends AsyncDisposable {
  readonly page: Page
  /** Another tab of the same browser. */
  tab(): Promise<Page>
  /** URLs that left for anywhere but the site. */
  readonly strays: readonly string[]
  /** Errors and violations of the policy that pages told of. */
  readonly complaints: readonly string[]
}

export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
}
export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } }

export async function openAppSite(init?: ChromiumInit): Promise<AppSite> {
  await using stack = new AsyncDisposableStack()
  const out = await mkdtemp(join(tmpdir(), 'freehold-app-'))
  stack.defer(() => rm(out, { recursive: true, force: true }))
  const built = await buildApp(out)
  const instead = new Map<string, Uint8Array>()
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const path = pathname === '/' ? 'index.html' : pathname.slice(1)
    const bytes = instead.get(path) ?? built.files.get(path)
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream')
    response.statusCode = bytes === undefined ? 404 : 200
    response.end(bytes)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(async () => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const browser = await launchChromium(init)
  stack.defer(() => browser.close())

  async function visitor(init: BrowserContextOptions = DESKTOP): Promise<Visitor> {
    const context = await browser.newContext({ locale: 'en', ...init })
    const strays: string[] = []
    const complaints: string[] = []
    context.on('request', (request) => {
      if (!/^(blob|data):/.test(request.url()) && !request.url().startsWith(url)) {
        strays.push(request.url())
      }
    })
    const tab = async () => {
      const page = await context.newPage()
      page.setDefaultTimeout(120_000)
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()))
      await page.goto(url)
      return page
    }
    const page = await tab()
    return { page, tab, strays, complaints, [Symbol.asyncDispose]: () => context.close() }
  }

  const kept = stack.move()
  return { built, url, instead, browser, visitor, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
