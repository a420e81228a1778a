import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createWalFlush } from './wal-flush.ts'

const folder = await mkdtemp(join(tmpdir(), 'freehold-wal-'))
afterAll(() => rm(folder, { recursive: true }))

describe('wal flush', () => {
  it('default: all who ask before a flush begins share it, those after it get their own', async () => {
    const path = join(folder, 'a.db')
    await writeFile(`${path}-wal`, '')
    await using wal = createWalFlush(path)
    const first = wal.flush()
    expect(wal.flush()).toBe(first)
    await first
    expect(wal.flush()).not.toBe(first)
  })

  it('behaviour: a log that is not there fails its flush, not the next one', async () => {
    const path = join(folder, 'b.db')
    await using wal = createWalFlush(path)
    await expect(wal.flush()).rejects.toThrow(/ENOENT/)
    await writeFile(`${path}-wal`, '')
    await wal.flush()
  })
})
