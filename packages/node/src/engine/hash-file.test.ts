import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { hashFile } from './hash-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-test-'))
afterAll(() => rm(folder, { recursive: true }))

describe('hashFile', () => {
  it('default: gives the SHA-256 that others give', async () => {
    const path = join(folder, 'abc')
    await writeFile(path, 'abc')
    expect(await hashFile(path)).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it('behaviour: a file of many chunks', async () => {
    const path = join(folder, 'zeros')
    await writeFile(path, new Uint8Array(3_000_000))
    expect(await hashFile(path)).toBe(
      '35bce4eae54ec8e6cc2868baa8d157914d6ae2858811b4cc0c078c94460fa26f',
    )
  })

  it('behaviour: stops when aborted, and says when there is no file', async () => {
    const signal = AbortSignal.abort(new Error('no'))
    await expect(hashFile(join(folder, 'abc'), { signal })).rejects.toThrow('no')
    await expect(hashFile(join(folder, 'none'))).rejects.toThrow('ENOENT')
  })
})
