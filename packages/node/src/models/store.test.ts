import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { holdFile } from '../storage/hold-file.ts'
import { BUNDLED } from './acorn.ts'
import { formatModelName, parseModelName } from './name.ts'
import { createStoreHome, type StoreHome } from './store.fixture.ts'
import { nameOf, openModelStore } from './store.ts'

const [ACORN, SMALL] = [BUNDLED.acorn!, BUNDLED['acorn-small']!]
const homes: StoreHome[] = []
let home: StoreHome
beforeEach(async () => {
  home = await createStoreHome()
  homes.push(home)
})
afterAll(async () => {
  for (const one of homes) await one[Symbol.asyncDispose]()
})

const find = (name: string) => home.store.find(parseModelName(name))
const blobs = () => readdir(join(home.store.folder, 'blobs'))

describe('openModelStore', () => {
  it('default: keeps a model under its hash and a name that people can read', async () => {
    expect(await home.store.list()).toEqual([])
    const put = await home.put('hf.co/user/repo:Q8_0', ACORN)
    expect(await home.store.list()).toEqual([put])
    expect(await blobs()).toEqual([`sha256-${put.modelId}`])
    const [path = ''] = home.store.paths(put)
    const readable = join(home.store.folder, 'by-name/hf.co/user/repo/Q8_0/acorn-q8_0.gguf')
    expect((await stat(readable)).ino).toBe((await stat(path)).ino)
    expect(await home.store.byId(put.modelId)).toEqual(put)
    expect(await find('HF.co/User/REPO:q8_0')).toEqual(put)
    expect(await find(`hf.co/user/repo@sha256:${put.modelId}`)).toEqual(put)
    expect(await find(`hf.co/user/repo@sha256:${'0'.repeat(64)}`)).toBeNull()
    expect(await find('hf.co/user/repo:Q4_K_M')).toBeNull()
    expect(await find('user/repo:Q8_0')).toBeNull()
  })

  it('behaviour: two names share their bytes, which go with the last of them', async () => {
    const one = await home.put('one', ACORN)
    const two = await home.put('two:small', ACORN)
    expect(await blobs()).toHaveLength(1)
    expect(await home.store.remove(one)).toEqual({ freedBytes: 0 })
    expect(await home.store.list()).toEqual([two])
    const { size } = await stat(ACORN)
    expect(await home.store.remove(two)).toEqual({ freedBytes: size })
    expect(await blobs()).toEqual([])
    expect(await readdir(join(home.store.folder, 'by-name'))).toEqual([])
    expect(await readdir(join(home.store.folder, 'manifests'))).toEqual([])
  })

  it('behaviour: a name that stands for something new frees what it stood for', async () => {
    await home.put('Mine', ACORN)
    const put = await home.put('mine:LATEST', SMALL)
    expect(nameOf(put)).toBe('Mine:latest')
    expect(await home.store.list()).toEqual([put])
    expect(await blobs()).toEqual([`sha256-${put.modelId}`])
    expect(await readdir(join(home.store.folder, 'by-name/local/library/Mine/latest'))).toEqual([
      'acorn-small-q8_0.gguf',
    ])
  })

  it('behaviour: files of one model lie side by side, and their manifest is its id', async () => {
    const put = await home.put('split', ACORN, SMALL)
    expect(put.files).toHaveLength(2)
    const paths = home.store.paths(put)
    const folder = join(home.store.folder, 'by-name/local/library/split/latest')
    expect(paths).toEqual([join(folder, 'acorn-q8_0.gguf'), join(folder, 'acorn-small-q8_0.gguf')])
    expect(await readFile(paths[1]!)).toEqual(await readFile(SMALL))
    expect(await blobs()).not.toContain(`sha256-${put.modelId}`)
    await home.put('whole', SMALL)
    await home.store.remove(put)
    expect(await blobs()).toHaveLength(1)
  })

  it('behaviour: a damaged manifest is said, hides nothing else and keeps the blobs', async () => {
    const put = await home.put('good', ACORN)
    const folder = join(home.store.folder, 'manifests/local/library/bad')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'cut'), '{"version":1,')
    await writeFile(
      join(folder, 'moved'),
      await readFile(join(folder, '..', 'good', 'latest'), 'utf8'),
    )
    expect(await home.store.list()).toEqual([put])
    expect((await home.store.damages()).map((error) => error.name)).toEqual([
      'ModelError',
      'ModelError',
    ])
    expect(await home.store.remove(put)).toEqual({ freedBytes: 0 })
    expect(await blobs()).toHaveLength(1)
  })

  it('behaviour: a blob that went away meanwhile gives no name', async () => {
    const put = await home.put('one', ACORN)
    await home.store.remove(put)
    await expect(home.store.add(put, new Map())).rejects.toThrow(/removed meanwhile/)
    expect(await home.store.list()).toEqual([])
  })

  it('behaviour: many who write at once, each through a store of its own, lose nothing', async () => {
    await home.put('base', ACORN)
    const [base] = await home.store.list()
    const names = Array.from({ length: 12 }, (_, index) => `copy-${index}`)
    await Promise.all(
      names.map(async (name) => {
        const store = openModelStore(home.store.folder, { known: home.known })
        const copy = { ...base!, name: { ...base!.name, model: name } }
        const added = await store.add(copy, new Map())
        if (name.endsWith('1')) await store.remove(added)
      }),
    )
    const left = names.filter((name) => !name.endsWith('1')).map((name) => `${name}:latest`)
    expect((await home.store.list()).map(nameOf).sort()).toEqual(['base:latest', ...left].sort())
    expect(await blobs()).toHaveLength(1)
  })

  it('behaviour: who writes waits for who writes', async () => {
    const put = await home.put('one', ACORN)
    const held = await holdFile(join(home.store.folder, '.lock'))
    const waits = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const removal = home.store.remove(put, { onWait: waits[0]!.resolve })
    const name = { ...put.name, model: 'two' }
    const addition = home.store.add({ ...put, name }, new Map(), { onWait: waits[1]!.resolve })
    await Promise.all(waits.map(({ promise }) => promise))
    expect(await home.store.list()).toEqual([put])
    held[Symbol.dispose]()
    // Whichever comes first: a name never stands for bytes that are gone.
    await removal
    const added = await addition.catch(() => null)
    expect((await home.store.list()).map(nameOf)).toEqual(added ? ['two:latest'] : [])
    expect(await blobs()).toHaveLength(added ? 1 : 0)
  })

  it('behaviour: a store that cannot be written says so, and what is in it can be used', async () => {
    const path = join(home.folder, 'a-file')
    await writeFile(path, '')
    const store = openModelStore(join(path, 'models'), { known: home.known })
    const put = await home.put('one', ACORN)
    await expect(store.add(put, new Map())).rejects.toMatchObject({
      name: 'ModelError',
      what: expect.stringContaining('cannot be written'),
    })
  })

  it('behaviour: no file leaves the folder of its name', async () => {
    const put = await home.put('one', ACORN)
    for (const fileName of ['../../../evil.gguf', '..', 'a\\b.gguf', '']) {
      const files = put.files.map((file) => ({ ...file, fileName }))
      await expect(home.store.add({ ...put, files }, new Map())).rejects.toThrow(/no usable name/)
    }
    const name = { ...put.name, model: '../evil' }
    await expect(home.store.add({ ...put, name }, new Map())).rejects.toThrow(/no name of a model/)
    expect(await home.store.list()).toEqual([put])
  })

  it('behaviour: a host’s port makes no odd folder', async () => {
    const put = await home.put('localhost:5000/a/b:c', ACORN)
    expect(await readdir(join(home.store.folder, 'manifests'))).toEqual(['localhost+5000'])
    expect(formatModelName((await find('localhost:5000/a/b'))!.name)).toBe(nameOf(put))
  })
})
