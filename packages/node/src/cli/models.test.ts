import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from '../models/acorn.ts'
import { canMount } from '../models/can-mount.fixture.ts'
import { type FakeHub, startFakeHub } from '../models/hub.fixture.ts'
import { splitGguf } from '../models/split-gguf.fixture.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const SMALL = await readFile(BUNDLED['acorn-small']!)
const MODEL = 'hf.co/user/repo'

let folder: string
let hub: FakeHub
let homes = 0
let home: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-models-'))
  hub = await startFakeHub()
  hub.files.set('acorn-Q4_K_M.gguf', SMALL)
  const [first, second] = splitGguf(SMALL)
  hub.files.set('big-Q8_0-00001-of-00002.gguf', first)
  hub.files.set('big-Q8_0-00002-of-00002.gguf', second)
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  hub.fault = () => undefined
  hub.requests.length = 0
  home = join(folder, String(homes++))
})

/** Starts the program in a home where nobody else keeps models. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  return spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      FREEHOLD_HOME: join(home, 'freehold'),
      HF_ENDPOINT: hub.endpoint,
      FREEHOLD_NORESIDENT: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function freehold(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(args, env)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  const lines = stdout.trim().split('\n')
  const isJson = args.includes('--json') && stdout.trim() !== ''
  const events = isJson ? lines.map((line) => JSON.parse(line)) : []
  return { code, stdout, stderr, events, json: events.at(-1) }
}

describe('freehold pull, list, show, cp, rm', () => {
  it('default: fetches a model, shows it, answers with it and removes it', async () => {
    const pulled = await freehold(['pull', MODEL])
    expect(pulled).toMatchObject({ code: 0, stdout: '' })
    expect(pulled.stderr).toMatch(/^pulling acorn-Q4_K_M\.gguf +\d+% [\d.]+ \w?B\/1\.3 MB$/m)
    expect(pulled.stderr).toMatch(/freehold run hf\.co\/user\/repo:Q4_K_M/)
    const again = await freehold(['get', '--json', MODEL])
    expect(again.json).toMatchObject({ status: 'success', isUpToDate: true })

    const listed = await freehold(['ls', 'repo'])
    expect(listed.stdout).toMatch(/^NAME +ID +SIZE +MODIFIED +FROM\n/)
    expect(listed.stdout).toMatch(
      /^hf\.co\/user\/repo:Q4_K_M +[0-9a-f]{12} +1\.3 MB +just now +store$/m,
    )
    const shown = await freehold(['show', '--json', MODEL])
    expect(shown.json).toMatchObject({
      architecture: 'llama',
      quantisation: 'Q8_0',
      sizeBytes: SMALL.length,
      id: again.json.id,
    })
    expect(shown.json.parameters).toBeGreaterThan(1e5)
    expect((await freehold(['show', MODEL])).stdout).toMatch(/^context length +\d+$/m)

    const seed = ['--json', '--seed', '1', '--max-tokens', '12']
    const [own, bundled] = await Promise.all([
      freehold(['run', ...seed, MODEL, 'Hello']),
      freehold(['run', ...seed, 'acorn-small', 'Hello']),
    ])
    expect(own.json).toMatchObject({ text: bundled.json.text, modelId: again.json.id })

    expect((await freehold(['cp', '--json', MODEL, 'mine'])).json).toEqual({
      name: 'mine:latest',
      id: again.json.id,
    })
    const first = await freehold(['rm', '--json', MODEL])
    expect(first.json).toEqual([{ name: 'hf.co/user/repo:Q4_K_M', freedBytes: 0 }])
    const prefixes = join(home, 'freehold', 'prefixes')
    await mkdir(join(prefixes, again.json.id), { recursive: true })
    await writeFile(join(prefixes, again.json.id, 'a.kv'), 'what was said')
    const second = await freehold(['rm', '--json', 'MINE'])
    expect(await readdir(prefixes)).toEqual([])
    expect(second.json).toEqual([{ name: 'mine:latest', freedBytes: SMALL.length }])
    expect(await readdir(join(home, 'freehold', 'models', 'blobs'))).toEqual([])
  })

  it('behaviour: a model of several files runs as one, and is not lent', async () => {
    const pulled = await freehold(['pull', '--json', `${MODEL}:Q8_0`])
    const seed = ['--json', '--seed', '1', '--max-tokens', '12']
    const own = await freehold(['run', ...seed, `${MODEL}:Q8_0`, 'Hello'])
    const whole = await freehold(['run', ...seed, 'acorn-small', 'Hello'])
    expect(own.json).toMatchObject({ text: whole.json.text, modelId: pulled.json.id })
    const shown = await freehold(['show', '--json', `${MODEL}:q8_0`])
    const bundled = await freehold(['show', '--json', 'acorn-small'])
    expect(shown.json.parameters).toBe(bundled.json.parameters)
    const env = { FREEHOLD_PASSPHRASE: 'correct horse battery staple' }
    await freehold(['wallet', 'init', '--json'], env)
    const lent = await freehold(['lend', '--free', `${MODEL}:Q8_0`], env)
    expect(lent).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/models of one file alone/),
    })
  })

  it('behaviour: a reader of its lines that goes away ends it, and the next one goes on there', async () => {
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth > 1 ? { stallAfter: 0 } : undefined)
    const child = start(['pull', '--json', MODEL])
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await once(child, 'close')).toEqual([0, null])
    hub.fault = () => undefined
    expect((await freehold(['pull', '--json', MODEL])).json).toMatchObject({ status: 'success' })
  })

  it('behaviour: Ctrl-C ends it with status 130, and the next one goes on there', async () => {
    hub.fault = ({ at }) => (at === 'cdn' ? { stallAfter: 700_000 } : undefined)
    const child = start(['pull', '--json', MODEL])
    let stdout = ''
    // Not by iterating over the stream: leaving that closes the pipe, and whoever writes to it ends.
    for await (const [part] of on(child.stdout, 'data')) {
      stdout += part
      if (/"completedBytes":[67]\d{5}/.test(stdout)) break
    }
    child.kill('SIGINT')
    expect(await once(child, 'close')).toEqual([130, null])
    expect((await freehold(['list', '--json', 'repo'])).json).toEqual([])
    hub.fault = () => undefined
    hub.requests.length = 0
    const { code } = await freehold(['pull', MODEL])
    expect(code).toBe(0)
    const [request] = hub.requests.filter(({ at }) => at === 'cdn')
    expect(request?.range).toMatch(/^bytes=[67]\d{5}-/)
  })

  it('behaviour: two processes fetch each byte once', async () => {
    const [one, two] = await Promise.all([
      freehold(['pull', '--json', MODEL]),
      freehold(['pull', '--json', MODEL]),
    ])
    expect([one.code, two.code]).toEqual([0, 0])
    expect(one.json.id).toBe(two.json.id)
    expect(hub.requests.filter(({ at }) => at === 'cdn')).toHaveLength(1)
  })

  it('behaviour: progress in JSON is a line each, and never falls', async () => {
    const { events, stderr } = await freehold(['pull', '--json', MODEL])
    const bytes = events.flatMap((event) => event.completedBytes ?? [])
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b))
    expect(bytes.at(-1)).toBe(SMALL.length)
    expect(stderr).toBe('')
  })

  it('behaviour: goes through the proxy that the environment names', async () => {
    const asked: string[] = []
    const proxy = createServer()
    proxy.on('request', ({ url = '', method, headers }, response) => {
      asked.push(new URL(url).host)
      request(url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      }).end()
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const { port } = proxy.address() as AddressInfo
    try {
      const { code } = await freehold(['pull', MODEL], { HTTP_PROXY: `http://127.0.0.1:${port}` })
      expect(code).toBe(0)
      expect(asked).toContain(new URL(hub.endpoint).host)
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })

  it.each([
    [['pull', 'acorn'], 2, /comes with Freehold/],
    [['rm', 'nothing'], 1, /no model "nothing" here/],
    [['show', 'acron'], 1, /freehold list/],
    [['show', '--template', '--license', 'acorn'], 2, /cannot be used with/],
    [['run', 'hf.co/user/repo', 'Hello'], 1, /freehold pull/],
  ])('behaviour: %j is refused clearly', async (args, status, words) => {
    const { code, stdout, stderr } = await freehold(args)
    expect(stderr).toMatch(words)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect([code, stdout]).toEqual([status, ''])
  })

  it.skipIf(!canMount())(
    'behaviour: a disk that is too small is said before anything is fetched (skipped where nothing can be mounted)',
    async () => {
      const disk = join(home, 'disk')
      await mkdir(disk, { recursive: true })
      const pull = [process.execPath, '--no-warnings', MAIN, 'pull', '--models', disk, MODEL]
      const script = `mount -t tmpfs -o size=1m tmpfs '${disk}' && exec "$@"`
      const child = spawn('unshare', ['-rm', 'sh', '-c', script, 'sh', ...pull], {
        env: { ...process.env, FREEHOLD_HOME: home, HF_ENDPOINT: hub.endpoint },
      })
      const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
      expect(stderr).toMatch(/too little space: 2 MB are to be fetched and \d MB are free/)
      expect(code).toBe(1)
      expect(hub.requests.filter(({ at }) => at === 'cdn')).toEqual([])
    },
  )
})

describe('freehold import', () => {
  it('default: a file, without a second copy, somewhere else on demand', async () => {
    const path = join(home, 'birch-Q8_0.gguf')
    const models = join(home, 'elsewhere')
    await mkdir(home)
    await writeFile(path, SMALL)
    const { json } = await freehold(['import', '--json', '--models', models, path])
    expect(json).toMatchObject({ name: 'birch:Q8_0', by: 'link' })
    const blob = await stat(join(models, 'blobs', `sha256-${json.id}`))
    expect(blob.ino).toBe((await stat(path)).ino)
    const listed = await freehold(['list', '--json', 'birch'], { FREEHOLD_MODELS: models })
    expect(listed.json).toMatchObject([{ name: 'birch:Q8_0', id: json.id, origin: 'store' }])
  })

  it('behaviour: a model of Ollama runs where it lies, is not removed, and can be taken in', async () => {
    const ollama = join(home, '.ollama', 'models')
    const id = (await freehold(['import', '--json', BUNDLED['acorn-small']!, 'x'])).json.id
    await freehold(['rm', 'x'])
    await mkdir(join(ollama, 'blobs'), { recursive: true })
    await writeFile(join(ollama, 'blobs', `sha256-${id}`), SMALL)
    const manifests = join(ollama, 'manifests', 'registry.ollama.ai', 'library', 'oak')
    await mkdir(manifests, { recursive: true })
    const mediaType = 'application/vnd.ollama.image.model'
    const manifest = { layers: [{ mediaType, digest: `sha256:${id}`, size: SMALL.length }] }
    await writeFile(join(manifests, 'latest'), JSON.stringify(manifest))
    const { json } = await freehold(['run', '--json', '--max-tokens', '3', 'oak', 'Hello'])
    expect(json).toMatchObject({ modelId: id, where: 'here' })
    const removed = await freehold(['rm', 'oak'])
    expect(removed).toMatchObject({ code: 2, stderr: expect.stringMatching(/ollama rm oak/) })
    const taken = await freehold(['import', '--json', 'oak'])
    expect(taken.json).toEqual({ name: 'oak:latest', id, by: 'link' })
  })
})
