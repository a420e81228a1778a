import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Page } from 'playwright-core'
import { bundlePage } from './bundle.fixture.ts'
import { launchChromium } from './chromium.fixture.ts'

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}
const HTML = `<!doctype html>
<meta charset="utf-8">
<title>Freehold</title>
<link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`

/** A page in headless Chromium, served from loopback. */
export interface TestPage extends AsyncDisposable {
  page: Page
  /** URLs of all requests and sockets so far. */
  requests: readonly string[]
  /** What the page complained about. */
  complaints: readonly string[]
}

export interface TestPageInit {
  /** Source of the page's script. */
  entry: URL
  /** More that the server has, by path: bytes, or the path of a file. */
  files?: Readonly<Record<string, Uint8Array | string>> | undefined
}

/** Bundles, serves and opens a page; resolves when its script has run. */
export async function openTestPage(init: TestPageInit): Promise<TestPage> {
  const stack = new AsyncDisposableStack()
  try {
    const files = { ...(await bundlePage(init.entry)), ...init.files }
    const browser = await launchChromium()
    stack.defer(() => browser.close())
    const server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://localhost').pathname
      serve(response, path, files[path]).catch(() => response.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.defer(async () => {
      server.close()
      server.closeAllConnections()
    })
    const page = await browser.newPage()
    page.setDefaultTimeout(0)
    const requests: string[] = []
    const complaints: string[] = []
    page.context().on('request', (request) => requests.push(request.url()))
    page.on('websocket', (socket) => requests.push(socket.url()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()))
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction('globalThis.testPage !== undefined')
    return { page, requests, complaints, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function serve(
  response: ServerResponse,
  path: string,
  content: Uint8Array | string | undefined,
): Promise<void> {
  // Cross-origin isolated: threads in WebAssembly ask for it.
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
  if (path === '/') {
    response.setHeader('Content-Type', 'text/html')
    response.end(HTML)
    return
  }
  if (content === undefined) {
    response.statusCode = 404
    response.end()
    return
  }
  response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream')
  if (typeof content === 'string') await pipeline(createReadStream(content), response)
  else response.end(content)
}
