import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'vite'
import { HEADERS, PAGE_POLICY } from './headers.ts'

const ROOT = fileURLToPath(new URL('.', import.meta.url))
const MODELS = fileURLToPath(new URL('../../models/acorn/', import.meta.url))
const BUNDLED = { Acorn: 'acorn-q8_0.gguf', 'Acorn small': 'acorn-small-q8_0.gguf' }
const WORKER = 'sw.js'

export interface BuiltApp {
  /** Bytes by path. */
  files: ReadonlyMap<string, Uint8Array>
  /** Scripts that a first load asks for before anybody says anything. */
  firstScripts: readonly string[]
}

/** Builds the web app: files that any host can serve as they are. @param out emptied first */
export async function buildApp(out: string): Promise<BuiltApp> {
  const files = new Map<string, Uint8Array>()
  const bundled = []
  for (const [name, file] of Object.entries(BUNDLED)) {
    const bytes = await readFile(join(MODELS, file))
    const sha256 = sha256Of(bytes)
    bundled.push({ name, sha256, sizeBytes: bytes.length })
    files.set(`models/${sha256}.gguf`, bytes)
  }
  const app = await bundle('index.html', {
    define: { BUNDLED_MODELS: JSON.stringify(bundled) },
    plugins: [carryPolicy()],
  })
  for (const file of app) {
    files.set(file.fileName, bytesOf(file.type === 'chunk' ? file.code : file.source))
  }
  for (const path of ['app.webmanifest', ...ICONS]) {
    files.set(path, await readFile(join(ROOT, 'public', path)))
  }
  // Models have a place of their own on the device.
  const kept = [...files.keys()].filter((path) => !path.startsWith('models/')).sort()
  const version = sha256Of(Buffer.concat(kept.map((path) => files.get(path) ?? bytesOf(''))))
  const [worker] = await bundle('src/offline/service-worker.ts', {
    define: {
      FILES: JSON.stringify(kept),
      VERSION: JSON.stringify(version.slice(0, 16)),
      HEADERS: JSON.stringify(HEADERS),
    },
  })
  if (worker?.type !== 'chunk') throw new Error('vite gave no service worker')
  files.set(WORKER, bytesOf(worker.code))
  files.set('headers.json', bytesOf(JSON.stringify(HEADERS, null, 2)))

  await rm(out, { recursive: true, force: true })
  for (const [path, bytes] of files) {
    await mkdir(dirname(join(out, path)), { recursive: true })
    await writeFile(join(out, path), bytes)
  }
  return { files, firstScripts: [...firstScriptsOf(app)] }
}

const ICONS = [
  'icons/icon.svg',
  'icons/icon-192.png',
  'icons/icon-512.png',
  'icons/maskable-192.png',
  'icons/maskable-512.png',
  'icons/touch-180.png',
]

async function bundle(input: string, init: { define: Record<string, string>; plugins?: Plugin[] }) {
  const built = await build({
    root: ROOT,
    base: './',
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    ...init,
    build: {
      write: false,
      target: 'es2024',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: join(ROOT, input) },
    },
  })
  if (!('output' in built)) throw new Error('vite gave no bundle')
  return built.output
}

/** Scripts that the page's own script imports, and those that they import. */
function firstScriptsOf(output: Awaited<ReturnType<typeof bundle>>): Set<string> {
  const chunks = output.filter((file) => file.type === 'chunk')
  const first = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName))
  for (const name of first) {
    for (const other of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) {
      first.add(other)
    }
  }
  return first
}

/** For hosts that send no policy. */
function carryPolicy(): Plugin {
  return {
    name: 'carry-policy',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: PAGE_POLICY },
        injectTo: 'head-prepend',
      },
    ],
  }
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
