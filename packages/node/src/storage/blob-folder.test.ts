import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createBlobFolder } from './blob-folder.ts'

const home = await mkdtemp(join(tmpdir(), 'freehold-blobs-'))
afterAll(async () => {
  await rm(home, { recursive: true, force: true })
})

const nameOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const bytes = Uint8Array.of(1, 2, 3)
const name = nameOf(bytes)

describe('createBlobFolder', () => {
  it('default: keeps, finds and removes', async () => {
    const folder = join(home, 'a', 'b')
    const blobs = createBlobFolder(folder)
    expect(await blobs.get(name)).toBeNull()
    await blobs.put(name, bytes)
    await blobs.put(name, bytes)
    expect(await blobs.get(name)).toEqual(bytes)
    expect(blobs.source(name)).toBe(join(folder, name))
    expect(await readdir(folder)).toEqual([name])
    await blobs.remove(name)
    await blobs.remove(name)
    expect(await blobs.get(name)).toBeNull()
  })

  it('behaviour: a name that is no hash reaches no file', async () => {
    const blobs = createBlobFolder(home)
    for (const wrong of ['', '../a', name.toUpperCase(), `${name}/x`]) {
      expect(() => blobs.source(wrong)).toThrow(TypeError)
      await expect(blobs.get(wrong)).rejects.toThrow(TypeError)
    }
  })

  it('behaviour: two who keep the same at once do not disturb each other', async () => {
    const folder = join(home, 'both')
    const large = new Uint8Array(1 << 20).fill(7)
    const blobs = createBlobFolder(folder)
    await Promise.all(Array.from({ length: 5 }, () => blobs.put(nameOf(large), large)))
    expect(nameOf((await blobs.get(nameOf(large)))!)).toBe(nameOf(large))
    expect(await readdir(folder)).toHaveLength(1)
  })
})
