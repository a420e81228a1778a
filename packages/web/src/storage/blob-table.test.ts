import { createMemoryStorage } from '@freehold/core/storage.memory'
import { describe, expect, it } from 'vitest'
import { createBlobTable } from './blob-table.ts'

const bytes = Uint8Array.of(1, 2, 3)

describe('createBlobTable', () => {
  it('default: keeps, finds and removes', async () => {
    const blobs = createBlobTable(createMemoryStorage().table('blobs'))
    expect(await blobs.get('aa')).toBeNull()
    await blobs.put('aa', bytes)
    await blobs.put('aa', bytes)
    expect(await blobs.get('aa')).toEqual(bytes)
    await blobs.remove('aa')
    await blobs.remove('aa')
    expect(await blobs.get('aa')).toBeNull()
  })

  it('behaviour: what an engine loads it by is no URL, and opens as long as it is there', async () => {
    const blobs = createBlobTable(createMemoryStorage().table('blobs'))
    const source = blobs.source('aa')
    expect([source, '/aa', 'blob:aa', 'https://a/b'].map((one) => blobs.isSource(one))).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect(await blobs.open(source)).toBeNull()
    await blobs.put('aa', bytes)
    expect(new Uint8Array(await (await blobs.open(source))!.arrayBuffer())).toEqual(bytes)
  })
})
