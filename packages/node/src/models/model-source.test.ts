import { copyFile, mkdtemp, rename, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BUNDLED } from './acorn.ts'
import { createBareModels } from './store.fixture.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-source-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('createModelSource', () => {
  it('default: a file is read once, however often it is asked for', async () => {
    const models = createBareModels()
    const [one, other] = await Promise.all([models.find('acorn'), models.find('Acorn')])
    expect(other).toBe(one)
    expect(await models.find('acorn')).toBe(one)
  })

  it('behaviour: a file that has changed is another model, even one as old', async () => {
    const path = join(folder, 'model.gguf')
    const [first, second] = [BUNDLED.acorn!, BUNDLED['acorn-small']!]
    const at = new Date(1e12)
    const put = async (from: string) => {
      await copyFile(from, `${path}.part`)
      await utimes(`${path}.part`, at, at)
      await rename(`${path}.part`, path)
    }
    const models = createBareModels()
    await put(first)
    const before = await models.find(path)
    await put(second)
    const after = await models.find(path)
    expect(after?.manifest).not.toEqual(before?.manifest)
    expect(after?.manifest).toEqual((await models.find('acorn-small'))?.manifest)
  })

  it('behaviour: a file that is not there is said, and found once it is', async () => {
    const path = join(folder, 'late.gguf')
    const models = createBareModels()
    await expect(models.find(path)).rejects.toMatchObject({ name: 'ModelError' })
    await copyFile(BUNDLED['acorn-small']!, path)
    expect((await models.find(path))?.manifest.files).toHaveLength(1)
  })
})
