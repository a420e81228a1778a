import { storageCompliance } from '@freehold/core/storage.compliance'
import { describe, expect, it } from 'vitest'
import { exposeSuites } from '../testing/page-suite.fixture.ts'
import { openIndexedDbStorage } from './indexed-db-storage.ts'

let opened = 0

storageCompliance('IndexedDB', () => openIndexedDbStorage(`compliance-${opened++}`))

describe('IndexedDB storage', () => {
  it('default: keeps rows when it is closed', async () => {
    const first = await openIndexedDbStorage('kept')
    await first.table('rows').update('a', () => ({ n: 1n }))
    await first[Symbol.asyncDispose]()
    await using again = await openIndexedDbStorage('kept')
    expect(await again.table('rows').get('a')).toEqual({ n: 1n })
  })

  it('behaviour: two that are open at once lose no change', async () => {
    await using one = await openIndexedDbStorage('shared')
    await using other = await openIndexedDbStorage('shared')
    const add = (old: number | undefined) => (old ?? 0) + 1
    await Promise.all(
      [one, other, one, other].map((storage) => storage.table<number>('rows').update('n', add)),
    )
    expect(await one.table('rows').get('n')).toBe(4)
  })

  it('behaviour: keeps no more of a buffer than the bytes that are its value', async () => {
    await using storage = await openIndexedDbStorage('tight')
    const table = storage.table<{ part: Uint8Array }>('rows')
    await table.update('a', () => ({ part: new Uint8Array(10_000).subarray(5, 8) }))
    expect((await table.get('a'))?.part.buffer.byteLength).toBe(3)
  })

  it('behaviour: a database of a later version is refused and left alone', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<IDBDatabase>()
    const request = indexedDB.open('later', 99)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
    const later = await promise
    later.close()
    await expect(openIndexedDbStorage('later')).rejects.toThrow(/later version/)
  })

  it('behaviour: rows of the first version are filled in', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<IDBDatabase>()
    const request = indexedDB.open('first', 1)
    request.onupgradeneeded = () => {
      const rows = request.result.createObjectStore('rows')
      rows.put({ cumulative: 7n, answers: {}, isConfirmed: true }, ['channels', 'a'])
      rows.put({ answers: 2 }, ['standing', 'b'])
    }
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
    const first = await promise
    first.close()
    await using storage = await openIndexedDbStorage('first')
    const channel = {
      cumulative: 7n,
      answers: {},
      confirmedDeposit: 0n,
      undelivered: {},
      isRecovered: false,
      isLeaving: false,
      exitDueAtMs: null,
      cleared: {},
    }
    expect(await storage.table('channels').get('a')).toEqual(channel)
    expect(await storage.table('standing').get('b')).toMatchObject({ answers: 2, forgiven: {} })
  })

  it('behaviour: what cannot be stored leaves the old value', async () => {
    await using storage = await openIndexedDbStorage('unstorable')
    const table = storage.table<unknown>('rows')
    await table.update('a', () => 1)
    await expect(table.update('a', () => () => 2)).rejects.toThrow(/could not be cloned/)
    expect(await table.get('a')).toBe(1)
  })
})
exposeSuites()
