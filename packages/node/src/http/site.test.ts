import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestApi } from './api.fixture.ts'
import { openSite, type Site } from './site.ts'

const PAGE = { accept: 'text/html,application/xhtml+xml' }
const POLICY = "default-src 'none'"

let home: string
let site: Site | undefined

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-site-'))
  const folder = join(home, 'dist')
  await mkdir(join(folder, 'assets'), { recursive: true })
  await writeFile(join(home, 'secret.txt'), 'secret')
  await writeFile(join(folder, 'index.html'), '<!doctype html><head></head>')
  await writeFile(
    join(folder, 'headers.json'),
    JSON.stringify({ 'content-security-policy': POLICY }),
  )
  await writeFile(join(folder, 'assets', 'main-1a2b.js'), '1')
  await writeFile(join(folder, 'assets', 'engine.wasm'), '2')
  site = await openSite(folder)
})
afterAll(() => rm(home, { recursive: true, force: true }))

describe('site', () => {
  it('default: browsers get the app, with its headers; programs get what they look for', async () => {
    await using api = createTestApi({ site })
    const page = await api.send('/', undefined, { headers: PAGE })
    // The app learns that a device serves it, and has a dashboard.
    const marked = /^<!doctype html><head><meta name="freehold-device" content="[\d.]+"><\/head>$/
    expect(await page.text()).toMatch(marked)
    expect(await (await api.send('/index.html')).text()).toMatch(marked)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toBe(POLICY)
    expect(page.headers.get('cache-control')).toBe('no-cache')
    expect(await (await api.send('/')).text()).toBe('Ollama is running')
  })

  it.each([
    ['/assets/main-1a2b.js', 'text/javascript; charset=utf-8'],
    ['/assets/engine.wasm', 'application/wasm'],
  ])('behaviour: %s has its type and is kept for good', async (path, type) => {
    await using api = createTestApi({ site })
    const { headers, status } = await api.send(path)
    expect([status, headers.get('content-type')]).toEqual([200, type])
    expect(headers.get('cache-control')).toContain('immutable')
  })

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '//etc/passwd',
    '/assets',
  ])('behaviour: %s names nothing', async (path) => {
    await using api = createTestApi({ site })
    expect((await api.send(path)).status).toBe(404)
  })

  it('behaviour: the app can be opened without a token, and nothing else', async () => {
    await using api = createTestApi({ site, tokens: ['secret'] })
    expect((await api.send('/', undefined, { headers: PAGE })).status).toBe(200)
    expect((await api.send('/assets/main-1a2b.js')).status).toBe(200)
    expect((await api.send('/v1/models')).status).toBe(401)
    expect((await api.send('/assets/main-1a2b.js', '', { method: 'POST' })).status).toBe(401)
    const foreign = { headers: { ...PAGE, host: 'evil.com' } }
    expect((await api.send('/', undefined, foreign)).status).toBe(403)
  })

  it('behaviour: without a build it says how to make one', async () => {
    expect(await openSite(join(home, 'nowhere'))).toBeUndefined()
    await using api = createTestApi()
    const page = await api.send('/', undefined, { headers: PAGE })
    expect(await page.text()).toContain('npm run build:web')
    expect(await (await api.send('/')).text()).toBe('Ollama is running')
  })
})
