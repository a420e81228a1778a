import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTestApi } from '../http/api.fixture.ts'
import { BUNDLED } from '../models/acorn.ts'
import { type FakeHub, startFakeHub } from '../models/hub.fixture.ts'
import { openModelLibrary } from '../models/library.ts'
import { splitGguf } from '../models/split-gguf.fixture.ts'
import { createStoreHome, NO_FOREIGN, type StoreHome } from '../models/store.fixture.ts'
import { createLibraryModels } from './library-models.ts'
import type { ModelManager } from './model-manager.ts'

let home: StoreHome
let models: ModelManager
beforeAll(async () => {
  home = await createStoreHome()
  const lmStudio = join(home.folder, 'lm-studio')
  const folder = join(lmStudio, 'maker', 'Nut-GGUF')
  await mkdir(folder, { recursive: true })
  const acorn = await readFile(BUNDLED.acorn!)
  for (const [index, bytes] of splitGguf(acorn).entries()) {
    await writeFile(join(folder, `Nut-Q8_0-0000${index + 1}-of-00002.gguf`), bytes)
  }
  await writeFile(join(folder, 'Nut-Q2_K.gguf'), 'GGUF, or so it says')
  const library = openModelLibrary({
    paths: { models: home.store.folder, hashes: null },
    foreign: { ...NO_FOREIGN, 'lm-studio': [lmStudio] },
  })
  models = createLibraryModels([], { library })
})
afterAll(() => home[Symbol.asyncDispose]())

const describeNamed = async (name: string) => {
  const found = await models.find(name)
  if (found === null) throw new Error(`there is no ${name}`)
  return models.describe(found)
}

describe('createLibraryModels', () => {
  it('default: tells of a model what its files say', async () => {
    const acorn = await describeNamed('acorn')
    expect(acorn).toMatchObject({
      name: 'acorn',
      architecture: 'llama',
      quantisation: 'Q8_0',
      license: 'apache-2.0',
      modelId: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(acorn.metadata).toMatchObject({ 'tokenizer.ggml.add_bos_token': false })
    expect(acorn.metadata).not.toHaveProperty('tokenizer.ggml.tokens')
    for (const value of Object.values(acorn.metadata)) {
      expect(String(value).length).toBeLessThan(513)
    }
  })

  it('behaviour: a model of several files is told of as a whole', async () => {
    const whole = await describeNamed('acorn')
    const split = await describeNamed('hf.co/maker/Nut-GGUF:Q8_0')
    expect(split.parameters).toBe(whole.parameters)
    expect(split.sizeBytes).toBeGreaterThan(whole.sizeBytes)
  })

  it('behaviour: a damaged file of another program hides no other', async () => {
    await using api = createTestApi({ models })
    const names = (list: { name: string }[]) => list.map(({ name }) => name)
    const split = 'hf.co/maker/Nut-GGUF:Q8_0'
    expect(names((await api.ask('/api/tags')).json.models)).toEqual(['acorn', 'acorn-small', split])
    const damaged = await api.ask('/api/show', { model: 'hf.co/maker/Nut-GGUF:Q2_K' })
    expect(damaged).toMatchObject({ status: 500, json: { error: expect.stringMatching(/GGUF/) } })
  })
})

describe('a list', () => {
  it('default: hashes no file whose store says what it is, and no other believes that', async () => {
    await using own = await createStoreHome()
    const [ollama, cache] = [join(own.folder, 'ollama'), join(own.folder, 'cache')]
    const [said, linked] = ['ab'.repeat(32), 'cd'.repeat(32)]
    const tag = join(ollama, 'manifests/registry.ollama.ai/library/birch')
    const commit = join(cache, 'models--maker--Fir-GGUF/snapshots/c0ffee')
    for (const folder of [tag, commit, join(ollama, 'blobs'), join(cache, 'blobs')]) {
      await mkdir(folder, { recursive: true })
    }
    const layers = [{ mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${said}` }]
    await writeFile(join(tag, '1b'), JSON.stringify({ layers }))
    await copyFile(BUNDLED.acorn!, join(ollama, `blobs/sha256-${said}`))
    await copyFile(BUNDLED.acorn!, join(cache, `blobs/${linked}`))
    await symlink(join('../../../blobs', linked), join(commit, 'fir-Q8_0.gguf'))
    const hashes = join(own.folder, 'listed')
    const library = openModelLibrary({
      paths: { models: own.store.folder, hashes },
      bundled: {},
      foreign: { ...NO_FOREIGN, ollama: [ollama], 'hugging-face': [cache] },
    })
    const manager = createLibraryModels([], { library })
    await using api = createTestApi({ models: manager })
    const listed = (await api.ask('/api/tags')).json.models
    expect(listed.map(({ digest }: { digest: string }) => digest)).toEqual([said, linked])
    await expect(readdir(hashes)).rejects.toThrow(/ENOENT/)
    const found = await manager.find('birch:1b')
    expect((await manager.describe(found!)).modelId).toBe((await describeNamed('acorn')).modelId)
    expect(await manager.find(said)).toBe(null)
    expect(await manager.find(`birch:1b@sha256:${said}`)).toBe(null)
  })
})

describe('pull over HTTP', () => {
  const NAME = 'ollama.com/library/nut:1b'
  let hub: FakeHub
  beforeEach(async () => {
    hub = await startFakeHub()
    hub.images.set('library/nut:1b', [{ kind: 'model', bytes: await readFile(BUNDLED.acorn!) }])
  })
  afterEach(() => hub[Symbol.asyncDispose]())

  const apiWith = (folder: string) => {
    const library = openModelLibrary({
      paths: { models: folder, hashes: null },
      foreign: NO_FOREIGN,
    })
    const pulled = createLibraryModels([], { library, hub: { registry: hub.registry } })
    return createTestApi({ models: pulled })
  }
  const linesOf = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  const fetched = () => hub.requests.filter(({ at }) => at === 'cdn')

  it('default: two at once both succeed, and its bytes come once', async () => {
    await using api = apiWith(join(home.folder, 'twice'))
    const pull = async () => linesOf(await (await api.send('/api/pull', { model: NAME })).text())
    const [one, two] = await Promise.all([pull(), pull()])
    expect([one, two].map((lines) => lines.at(-1))).toEqual([
      { status: 'success' },
      { status: 'success' },
    ])
    expect(fetched()).toHaveLength(1)
    expect((await api.ask('/v1/models')).json.data).toContainEqual(
      expect.objectContaining({ id: NAME }),
    )
  })

  it('behaviour: who hangs up stops it, and the next goes on there', async () => {
    await using api = apiWith(join(home.folder, 'hung-up'))
    hub.fault = ({ at }, nth) => (at === 'cdn' && nth === 1 ? { stallAfter: 1_000_000 } : undefined)
    const response = await api.send('/api/pull', { model: NAME })
    const reader = response.body!.getReader()
    let shown = ''
    while (!/"completed":[1-9]/.test(shown)) {
      shown += new TextDecoder().decode((await reader.read()).value)
    }
    await reader.cancel()
    const lines = linesOf(await (await api.send('/api/pull', { model: NAME })).text())
    expect(lines.at(-1)).toEqual({ status: 'success' })
    const [, second] = fetched()
    expect(second?.range).toMatch(/^bytes=[1-9]\d*-/)
  })

  it('behaviour: a store that cannot be written is a line of the stream', async () => {
    const file = join(home.folder, 'a-file')
    await writeFile(file, '')
    await using api = apiWith(join(file, 'models'))
    const lines = linesOf(await (await api.send('/api/pull', { model: NAME })).text())
    expect(lines.at(-1)).toEqual({ error: expect.stringMatching(/cannot be written/) })
    const whole = await api.ask('/api/pull', { model: NAME, stream: false })
    expect(whole).toMatchObject({
      status: 500,
      json: { error: expect.stringMatching(/cannot be written/) },
    })
    expect(api.defects).toEqual([])
  })

  it('behaviour: a name without a host is one of Ollama’s library, and is called so here', async () => {
    await using api = apiWith(join(home.folder, 'bare'))
    const pulled = await api.ask('/api/pull', { model: 'nut:1b', stream: false })
    expect(pulled).toMatchObject({ status: 200, json: { status: 'success' } })
    expect((await api.ask('/v1/models')).json.data.at(-1).id).toBe('nut:1b')
    expect((await api.ask('/api/show', { model: 'nut:1b' })).status).toBe(200)
    hub.images.set('me/nut:latest', [{ kind: 'model', bytes: await readFile(BUNDLED.acorn!) }])
    expect((await api.ask('/api/pull', { model: 'me/nut', stream: false })).status).toBe(200)
    expect((await api.ask('/api/show', { model: 'me/nut' })).status).toBe(200)
    // Another version of it takes its place.
    hub.images.set('library/nut:1b', [
      { kind: 'model', bytes: await readFile(BUNDLED['acorn-small']!) },
    ])
    const sizeBytes = async () => {
      const { models: all } = (await api.ask('/api/tags')).json
      return all.find(({ name }: { name: string }) => name === 'nut:1b').size
    }
    const before = await sizeBytes()
    expect((await api.ask('/api/pull', { model: 'nut:1b', stream: false })).status).toBe(200)
    expect(await sizeBytes()).toBeLessThan(before)
    const none = await api.ask('/api/pull', { model: 'nobody', stream: false })
    expect(none).toMatchObject({ status: 500, json: { error: expect.stringMatching(/nobody/) } })
    // What comes with Freehold is here.
    hub.requests.length = 0
    const bundled = await api.ask('/api/pull', { model: 'acorn:latest', stream: false })
    expect(bundled.status).toBe(200)
    expect(hub.requests).toEqual([])
  })

  it('behaviour: a model of this device is not replaced by one of Ollama’s library', async () => {
    await home.put('nut:1b', BUNDLED['acorn-small']!)
    await using api = apiWith(home.store.folder)
    const { status, json } = await api.ask('/api/pull', { model: 'nut:1b', stream: false })
    expect(status).toBe(400)
    expect(json.error).toMatch(/nut:1b is a model of this device.*ollama\.com\/library\/nut:1b/)
    expect(hub.requests).toEqual([])
  })
})
