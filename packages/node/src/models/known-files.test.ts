import { copyFile, link, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ACORN } from '../engine/test-models.ts'
import { BUNDLED } from './acorn.ts'
import { openKnownFiles } from './known-files.ts'
import { readModelFile } from './read-model-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-known-'))
const path = join(folder, 'model.gguf')
await copyFile(ACORN, path)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Reads a file and says whether its bytes were looked at. */
async function read(kept: string | null, at = path) {
  let isHashed = false
  const known = openKnownFiles(kept)
  const onBytes = () => {
    isHashed = true
  }
  return { file: await known.read(at, { onBytes }), isHashed }
}

describe('openKnownFiles', () => {
  it('default: a file is hashed once, whatever it is called and whoever asks', async () => {
    const kept = join(folder, 'kept')
    const first = await read(kept)
    expect(first).toEqual({ file: await readModelFile(path), isHashed: true })
    expect(await read(kept)).toEqual({ file: first.file, isHashed: false })
    const other = join(folder, 'other.gguf')
    await link(path, other)
    expect(await read(kept, other)).toEqual({
      file: { ...first.file, source: other },
      isHashed: false,
    })
  })

  it('behaviour: one byte that was changed in place is another model', async () => {
    const kept = join(folder, 'kept-2')
    const before = await read(kept)
    await using file = await open(path, 'r+')
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    await file.write(Uint8Array.of(buffer[0]! ^ 1), 0, 1, size - 1)
    const after = await read(kept)
    expect(after.isHashed).toBe(true)
    expect(after.file.manifest).not.toEqual(before.file.manifest)
    expect(await readdir(kept)).toHaveLength(1)
  })

  it('behaviour: another file under the same path is read anew', async () => {
    const kept = join(folder, 'kept-3')
    const moved = join(folder, 'moved.gguf')
    await copyFile(BUNDLED.acorn!, moved)
    await read(kept, moved)
    await copyFile(BUNDLED['acorn-small']!, `${moved}.part`)
    await rename(`${moved}.part`, moved)
    expect((await read(kept, moved)).file).toEqual(await readModelFile(moved))
  })

  it('behaviour: a damaged note, or none that can be written, costs time alone', async () => {
    const kept = join(folder, 'kept-4')
    const { file } = await read(kept)
    const [note = ''] = await readdir(kept)
    await writeFile(join(kept, note), '{"state":')
    expect(await read(kept)).toEqual({ file, isHashed: true })
    expect(await read(join(path, 'no-folder'))).toEqual({ file, isHashed: true })
  })

  it('behaviour: what is forgotten is read anew', async () => {
    const kept = join(folder, 'kept-5')
    await read(kept)
    await openKnownFiles(kept).forget(path)
    expect((await read(kept)).isHashed).toBe(true)
  })
})
