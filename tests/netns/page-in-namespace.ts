import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Page } from 'playwright-core'
import { bundlePage } from '../../packages/web/src/testing/bundle.fixture.ts'
import { launchChromium } from '../../packages/web/src/testing/chromium.fixture.ts'

/** A name that makes a secure context; nothing listens there, the files are handed to the browser. */
const ORIGIN = 'http://localhost/'
const HTML = '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>'
const TYPES: Record<string, string> = { '.js': 'text/javascript', '.wasm': 'application/wasm' }

export interface PageInNamespace extends AsyncDisposable {
  page: Page
}

/** Bundles a page and opens it in a Chromium whose only network is that of a namespace. */
export async function openPageIn(
  namespace: string,
  init: { entry: URL; files?: Readonly<Record<string, Uint8Array>> },
): Promise<PageInNamespace> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'freehold-page-'))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const files: Readonly<Record<string, Uint8Array>> = {
    ...(await bundlePage(init.entry)),
    ...init.files,
  }
  const program = process.env.CHROMIUM_PATH || '/usr/bin/chromium'
  const starter = join(folder, 'start')
  await writeFile(starter, `#!/bin/sh\nexec ip netns exec ${namespace} ${program} "$@"\n`)
  await chmod(starter, 0o755)
  const browser = await launchChromium({ by: starter })
  stack.defer(() => browser.close())
  const page = await browser.newPage()
  page.setDefaultTimeout(0)
  await page.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url())
    const content = files[pathname]
    if (pathname === '/') return route.fulfill({ contentType: 'text/html', body: HTML })
    if (content === undefined) return route.fulfill({ status: 404 })
    const contentType = TYPES[extname(pathname)] ?? 'application/octet-stream'
    return route.fulfill({ contentType, body: Buffer.from(content) })
  })
  await page.goto(ORIGIN)
  await page.waitForFunction('globalThis.testPage !== undefined')
  const kept = stack.move()
  return { page, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
