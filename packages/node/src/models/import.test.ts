import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUNDLED } from './acorn.ts'
import { canMount } from './can-mount.fixture.ts'
import { importModel } from './import.ts'
import { type ModelLibrary, openModelLibrary } from './library.ts'
import { parseModelName } from './name.ts'
import { createStoreHome, NO_FOREIGN, type StoreHome } from './store.fixture.ts'
import { nameOf, storableName } from './store.ts'

const [ACORN, SMALL] = [BUNDLED.acorn!, BUNDLED['acorn-small']!]
let home: StoreHome
let library: ModelLibrary
let path: string
beforeEach(async () => {
  home = await createStoreHome()
  path = join(home.folder, 'birch-Q8_0.gguf')
  await copyFile(SMALL, path)
  const paths = { models: home.store.folder, hashes: join(home.folder, 'hashes') }
  library = openModelLibrary({ paths, foreign: NO_FOREIGN })
})
afterEach(() => home[Symbol.asyncDispose]())

const take = async (text: string, init: Parameters<typeof importModel>[1] = {}) =>
  importModel((await library.find(text))!, init, { library })
const inodeOf = async (path: string) => (await stat(path)).ino

describe('importModel', () => {
  it('default: a file is taken in as a link, under the name that it bears', async () => {
    const { model, by } = await take(path)
    expect([nameOf(model), by]).toEqual(['birch:Q8_0', 'link'])
    expect(await inodeOf(library.store.paths(model)[0]!)).toBe(await inodeOf(path))
    expect(await readdir(library.store.downloads)).toEqual([])
    expect((await take(path)).model.modelId).toBe(model.modelId)
    expect(await readdir(library.store.downloads)).toEqual([])
  })

  it('behaviour: a link in another store is followed to its file', async () => {
    const other = join(home.folder, 'linked.gguf')
    await symlink(path, other)
    const { model } = await take(other, { as: storableName(parseModelName('mine')) })
    expect(nameOf(model)).toBe('mine:latest')
    expect(await inodeOf(library.store.paths(model)[0]!)).toBe(await inodeOf(path))
  })

  it('behaviour: a copy is a copy when it is asked for', async () => {
    const { model, by } = await take(path, { by: 'copy' })
    const [blob = ''] = library.store.paths(model)
    expect(by).toBe('copy')
    expect(await inodeOf(blob)).not.toBe(await inodeOf(path))
    expect(await readFile(blob)).toEqual(await readFile(path))
  })

  it('behaviour: a name is never taken from another model', async () => {
    const { model } = await take(path)
    const other = join(home.folder, 'other', 'birch-Q8_0.gguf')
    await mkdir(join(home.folder, 'other'))
    await copyFile(ACORN, other)
    await expect(take(other)).rejects.toThrow(/another model already/)
    expect(await library.store.list()).toEqual([model])
    expect(await readdir(library.store.downloads)).toEqual([])
  })

  it('behaviour: what is no GGUF gets no name', async () => {
    const bad = join(home.folder, 'bad.gguf')
    await writeFile(bad, 'GGUF, or so it says')
    await expect(take(bad)).rejects.toMatchObject({ name: 'ModelError' })
    expect(await library.store.list()).toEqual([])
    expect(await readdir(library.store.downloads)).toEqual([])
  })

  it('behaviour: a bundled model needs no import', async () => {
    await expect(take('acorn')).rejects.toThrow(/is here already/)
  })

  it.skipIf(!canMount())(
    'behaviour: across disks it is copied, a full disk and a store that is read-only are said (skipped where nothing can be mounted)',
    async () => {
      const disk = join(home.folder, 'disk')
      await mkdir(disk)
      const script = `
        import { openModelLibrary } from ${JSON.stringify(join(import.meta.dirname, 'library.ts'))}
        import { importModel } from ${JSON.stringify(join(import.meta.dirname, 'import.ts'))}
        const paths = { models: ${JSON.stringify(join(disk, 'models'))}, hashes: null }
        const foreign = { ollama: [], 'lm-studio': [], 'hugging-face': [] }
        const library = openModelLibrary({ paths, foreign })
        for (const path of process.argv.slice(1)) {
          try {
            const found = await library.find(path)
            if (found.stored && process.env.NAME) {
              const name = { ...found.stored.name, model: process.env.NAME }
              await library.store.add({ ...found.stored, name }, new Map())
            } else if (found.stored) await library.store.remove(found.stored)
            else console.log((await importModel(found, {}, { library })).by)
          } catch (error) {
            console.log(error.name + ': ' + error.what)
          }
          console.log((await library.list()).filter((one) => one.origin === 'store').length)
        }`
      const file = join(home.folder, 'script.ts')
      await writeFile(file, `process.argv.splice(1, 1)\n${script}`)
      const run = `'${process.execPath}' --no-warnings '${file}'`
      const commands = [
        `mount -t tmpfs -o size=3m tmpfs '${disk}'`,
        `${run} '${path}' '${ACORN}'`,
        `mount -o remount,ro '${disk}'`,
        `${run} '${ACORN}' birch`,
        `NAME=second ${run} birch`,
      ]
      const { stdout } = spawnSync('unshare', ['-rm', 'sh', '-c', commands.join(' && ')], {
        encoding: 'utf8',
      })
      const refused = expect.stringMatching(/^ModelError: the model store .* cannot be written$/)
      expect(stdout.trim().split('\n')).toEqual([
        'copy',
        '1',
        'ModelError: the disk is full',
        '1',
        ...[refused, '1', refused, '1', refused, '1'],
      ])
    },
  )
})
