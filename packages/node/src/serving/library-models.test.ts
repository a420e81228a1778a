import { mkdir, readFile, writeFile } from 'node:fs/promises'
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

  it('behaviour: a name that says no host is 400, and says how it is called', async () => {
    await using api = apiWith(join(home.folder, 'none'))
    const { status, json } = await api.ask('/api/pull', { model: 'nut:1b' })
    expect(status).toBe(400)
    expect(json.error).toMatch(/ollama.com\/library\/nut/)
  })
})
