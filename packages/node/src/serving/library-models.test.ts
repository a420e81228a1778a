import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestApi } from '../http/api.fixture.ts'
import { BUNDLED } from '../models/acorn.ts'
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
