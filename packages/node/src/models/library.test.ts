import { copyFile, link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toHex } from '@freehold/core/bytes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from './acorn.ts'
import { foreignFolders } from './foreign-stores.ts'
import { type ModelLibrary, openModelLibrary } from './library.ts'
import { createModelSource } from './model-source.ts'
import { modelIdOf, readModelFile } from './read-model-file.ts'
import { createStoreHome, NO_FOREIGN, type StoreHome } from './store.fixture.ts'

const [ACORN, SMALL] = [BUNDLED.acorn!, BUNDLED['acorn-small']!]
const acorn = (await readModelFile(ACORN)).manifest
const small = (await readModelFile(SMALL)).manifest
const hashOf = (manifest: typeof acorn) => toHex(manifest.files[0]!.sha256)

let home: StoreHome
let library: ModelLibrary
beforeAll(async () => {
  home = await createStoreHome()
  const foreign = {
    ...foreignFolders({}, home.folder),
    ollama: [join(home.folder, '.ollama', 'models')],
  }
  library = openModelLibrary({
    paths: { models: home.store.folder, hashes: join(home.folder, 'hashes') },
    foreign,
  })
  await home.put('mine', SMALL)
  await home.put('split', ACORN, SMALL)
  await layOut(home.folder)
})
afterAll(() => home[Symbol.asyncDispose]())

/** Stores as the three programs lay them out. */
async function layOut(folder: string): Promise<void> {
  const put = async (from: string, ...to: string[]) => {
    const path = join(folder, ...to)
    await mkdir(dirname(path), { recursive: true })
    await copyFile(from, path)
  }
  const write = async (text: string, ...to: string[]) => {
    const path = join(folder, ...to)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
  const ollama = ['.ollama', 'models']
  const layer = (kind: string, digest: string) => ({
    mediaType: `application/vnd.ollama.image.${kind}`,
    digest: `sha256:${digest}`,
    size: 1,
  })
  const manifest = (...layers: object[]) => JSON.stringify({ schemaVersion: 2, layers })
  const registry = [...ollama, 'manifests', 'registry.ollama.ai', 'library']
  await put(ACORN, ...ollama, 'blobs', `sha256-${hashOf(acorn)}`)
  const weights = layer('model', hashOf(acorn))
  await write(manifest(weights, layer('license', '0'.repeat(64))), ...registry, 'oak', 'latest')
  await write(manifest(weights), ...ollama, 'manifests', 'hf.co', 'u', 'r-GGUF', 'Q8_0')
  await write(manifest(layer('model', '1'.repeat(64))), ...registry, 'gone', 'latest')
  await write(manifest(weights, layer('adapter', hashOf(acorn))), ...registry, 'tuned', 'latest')
  await write('{', ...registry, 'damaged', 'latest')
  await write(
    manifest({ mediaType: 'x.image.model', digest: 'sha256:../../etc' }),
    ...registry,
    'evil',
    'latest',
  )
  await put(SMALL, '.lmstudio', 'models', 'maker', 'Nut-GGUF', 'Nut-Q8_0.gguf')
  await put(SMALL, '.lmstudio', 'models', 'maker', 'Nut-GGUF', 'mmproj-Nut-F16.gguf')

  const repository = join(folder, '.cache', 'huggingface', 'hub', 'models--deep--seed-GGUF')
  const snapshot = join(repository, 'snapshots', 'c0ffee')
  await mkdir(join(repository, 'refs'), { recursive: true })
  await mkdir(join(repository, 'blobs'), { recursive: true })
  await mkdir(snapshot, { recursive: true })
  await writeFile(join(repository, 'refs', 'main'), 'c0ffee')
  await copyFile(SMALL, join(repository, 'blobs', hashOf(small)))
  await symlink(`../../blobs/${hashOf(small)}`, join(snapshot, 'seed-Q4_K_M.gguf'))
  await symlink('../../blobs/never-came', join(snapshot, 'seed-Q2_K.gguf'))
}

describe('openModelLibrary', () => {
  it('default: lists the bundled, the stored and those of other programs', async () => {
    const found = (await library.list()).map(({ name, origin }) => [name, origin])
    expect(found.sort()).toEqual(
      [
        ['acorn', 'bundled'],
        ['acorn-small', 'bundled'],
        ['mine:latest', 'store'],
        ['split:latest', 'store'],
        ['oak:latest', 'ollama'],
        ['hf.co/u/r-GGUF:Q8_0', 'ollama'],
        ['hf.co/maker/Nut-GGUF:Q8_0', 'lm-studio'],
        ['hf.co/deep/seed-GGUF:Q4_K_M', 'hugging-face'],
      ].sort(),
    )
  })

  it.each([
    ['Acorn', 'bundled', acorn],
    ['MINE', 'store', small],
    ['oak', 'ollama', acorn],
    ['hf.co/U/r-gguf', 'ollama', acorn],
    [`oak@sha256:${hashOf(acorn)}`, 'ollama', acorn],
    ['hf.co/maker/nut-gguf', 'lm-studio', small],
    ['huggingface.co/deep/seed-GGUF:q4_k_m', 'hugging-face', small],
    [hashOf(small), 'store', small],
    [ACORN, 'file', acorn],
  ])('behaviour: %s is found where it lies (%s)', async (name, origin, manifest) => {
    const found = await library.find(name)
    expect(found?.origin).toBe(origin)
    expect((await createModelSource(library).find(name))?.manifest).toEqual(manifest)
  })

  it.each(['hello', 'constructor', 'gone', 'tuned', 'evil', `oak@sha256:${hashOf(small)}`])(
    'behaviour: %s means nothing here',
    async (name) => expect(await library.find(name)).toBeNull(),
  )

  it('behaviour: a model of several files has its manifest’s hash for an id', async () => {
    const found = (await library.find('split'))!
    const { manifest, chunkHashes } = await library.read(found)
    expect(manifest.files).toEqual([...acorn.files, ...small.files])
    expect(chunkHashes).toHaveLength(0)
    expect(modelIdOf(manifest)).toBe(found.stored?.modelId)
  })

  it('behaviour: the path of one of several files means all of them', async () => {
    const path = (index: number) => join(home.folder, `big-0000${index}-of-00002.gguf`)
    await copyFile(ACORN, path(1))
    await expect(library.find(path(1))).rejects.toThrow(/1 are missing, such as big-00002/)
    await link(SMALL, path(2)).catch(() => copyFile(SMALL, path(2)))
    const found = (await library.find(path(2)))!
    expect(found.paths).toEqual([path(1), path(2)])
    const id = modelIdOf({ files: [...acorn.files, ...small.files] })
    expect(await library.modelIdAt(path(1))).toBe(id)
  })

  it('behaviour: a stored file that was changed is refused', async () => {
    await using other = await createStoreHome()
    const put = await other.put('mine', ACORN)
    await copyFile(SMALL, other.store.paths(put)[0]!)
    const paths = { models: other.store.folder, hashes: null }
    const models = createModelSource(openModelLibrary({ paths, foreign: NO_FOREIGN }))
    await expect(models.find('mine')).rejects.toThrow(/has changed since it was stored/)
  })

  it('behaviour: the folders of other programs follow their own variables', () => {
    const env = { OLLAMA_MODELS: '/o', HF_HOME: '/h', XDG_CACHE_HOME: '/c' }
    expect(foreignFolders(env, '/home')).toMatchObject({
      ollama: ['/o'],
      'hugging-face': [join('/h', 'hub')],
    })
    expect(foreignFolders({ XDG_CACHE_HOME: '/c' }, '/home')['hugging-face']).toEqual([
      join('/c', 'huggingface', 'hub'),
    ])
  })
})
