import { copyFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { openPrefixFiles, removePrefixes } from '../engine/prefix-files.ts'
import { ACORN } from '../engine/test-models.ts'
import { PLAIN_SAMPLING, readWhole } from './text-generator.fixture.ts'
import { createTextGenerator } from './text-generator.ts'

const home = await mkdtemp(join(tmpdir(), 'freehold-prefixes-'))
const engine = createLlamaEngine()
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(home, { recursive: true })
})
const PROMPT = `<|im_start|>system\n${'You are an owl who knows all maps. '.repeat(9)}<|im_end|>\n`

/** Loads the model, writes one text and unloads it. */
async function write(prefixes?: string, init: { contextTokens?: number; source?: string } = {}) {
  const { source = ACORN, contextTokens = 512 } = init
  await using model = await engine.load(source, { contextTokens, sequences: 2, prefixes })
  const promptIds = await model.tokenize(PROMPT, { special: true })
  const text = await readWhole(createTextGenerator(model), {
    promptIds,
    sampling: { ...PLAIN_SAMPLING, seed: 3 },
  })
  return { ...text, promptIds, modelId: model.info.modelId }
}

describe('prefixes', () => {
  it('default: a model that was unloaded goes on from its last texts, to the same tokens', async () => {
    const folder = join(home, 'default')
    const plain = await write()
    expect((await write()).cachedTokens).toBe(0)
    const first = await write(folder)
    const again = await write(folder)
    for (const { ids, cachedTokens } of [plain, first]) {
      expect(ids).toEqual(plain.ids)
      expect(cachedTokens).toBe(0)
    }
    expect(again.ids).toEqual(plain.ids)
    expect(again.cachedTokens).toBe(plain.promptIds.length - 1)
    const own = join(folder, plain.modelId)
    const names = await readdir(own)
    expect(new Set(names.map((name) => name.split('.')[1]))).toEqual(new Set(['json', 'kv']))
    expect(names).toHaveLength(2)
    if (process.platform !== 'win32') {
      expect((await stat(own)).mode & 0o777).toBe(0o700)
      for (const name of names) expect((await stat(join(own, name))).mode & 0o777).toBe(0o600)
    }
    await removePrefixes(folder, plain.modelId)
    expect(await readdir(folder)).toEqual([])
    expect((await write(folder)).cachedTokens).toBe(0)
  })

  it('behaviour: another context or a damaged file is not used, and damage is removed', async () => {
    const folder = join(home, 'damaged')
    const { ids, modelId } = await write(folder)
    expect((await write(folder, { contextTokens: 256 })).cachedTokens).toBe(0)
    const own = join(folder, modelId)
    const files = (await readdir(own)).filter((name) => name.endsWith('.kv'))
    expect(files).toHaveLength(2)
    for (const name of files) await writeFile(join(own, name), 'no longer', { flag: 'r+' })
    await writeFile(join(own, 'half.kv.draft'), 'half')
    expect(await write(folder)).toMatchObject({ ids, cachedTokens: 0 })
    expect(await readdir(own)).not.toContain('half.kv.draft')
    expect((await write(folder)).cachedTokens).toBeGreaterThan(0)
  })

  it('behaviour: texts of a model that was removed meanwhile are not kept', async () => {
    const folder = join(home, 'removed')
    const source = join(home, 'model.gguf')
    await copyFile(ACORN, source)
    await using model = await engine.load(source, { sequences: 1, prefixes: folder })
    const promptIds = await model.tokenize(PROMPT, { special: true })
    await readWhole(createTextGenerator(model), { promptIds, maxTokens: 3 })
    await rm(source)
    await model[Symbol.asyncDispose]()
    expect(await readdir(folder).catch(() => [])).toEqual([])
  })

  it('behaviour: the oldest go when there are too many, or too many bytes', async () => {
    const folder = join(home, 'bounded')
    const init = { folder, modelId: 'aa', key: 'k', mostFiles: 2, mostBytes: 100 }
    const files = await openPrefixFiles(init)
    const fill = (bytes: number) => (path: string) => writeFile(path, 'x'.repeat(bytes))
    const idsOf = async () => (await openPrefixFiles(init)).all.map(({ ids }) => ids[0])
    for (const id of [1, 2, 3]) await files.save([id, 9], fill(10))
    expect(await idsOf()).toEqual(expect.arrayContaining([2, 3]))
    await files.save([4], fill(95))
    expect(await idsOf()).toEqual([4])
    await expect(files.save([5], () => Promise.reject(new Error('full')))).rejects.toThrow('full')
    await files.save([4, 1], fill(5))
    expect(await idsOf()).toEqual([4])
    expect(await readdir(join(folder, 'aa'))).toHaveLength(2)
    const large = await openPrefixFiles({ ...init, bytesPerToken: 60 })
    await large.save([7, 7], () => Promise.reject(new Error('never written')))
  })
})
