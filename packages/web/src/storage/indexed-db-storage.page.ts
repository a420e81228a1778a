import { storageCompliance } from '@freehold/core/storage.compliance'
import { describe, expect, it } from 'vitest'
import { exposeSuites } from '../testing/page-suite.fixture.ts'
import { openIndexedDbStorage } from './indexed-db-storage.ts'

let opened = 0

storageCompliance('IndexedDB', () => openIndexedDbStorage(`compliance-${opened++}`))

type Put = (this: IDBObjectStore, value: unknown, key?: IDBValidKey) => IDBRequest<IDBValidKey>

/** A database as the first version wrote it. */
async function createFirst(name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<IDBDatabase>()
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => {
    const rows = request.result.createObjectStore('rows')
    rows.put({ cumulative: 7n, answers: {}, isConfirmed: true }, ['channels', 'a'])
    rows.put({ answers: 2 }, ['standing', 'b'])
  }
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
  const first = await promise
  first.close()
}

/** What is in a database, whatever its version. */
async function look(name: string): Promise<{ version: number; rows: unknown[] }> {
  const { promise, resolve, reject } = Promise.withResolvers<IDBDatabase>()
  const request = indexedDB.open(name)
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
  const db = await promise
  const found = Promise.withResolvers<unknown[]>()
  const all = db.transaction('rows').objectStore('rows').getAll()
  all.onsuccess = () => found.resolve(all.result)
  all.onerror = () => found.reject(all.error)
  const rows = await found.promise
  db.close()
  return { version: db.version, rows }
}

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
    await createFirst('first')
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

  for (const writes of [1, 2]) {
    it(`behaviour: broken off after ${writes} rows of the new version it is the old one, and the next start goes on`, async () => {
      const name = `broken-${writes}`
      await createFirst(name)
      const before = await look(name)
      expect(before.rows).toHaveLength(2)
      const own = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, 'put')
      const put: Put = own?.value
      let left = writes
      const after: unknown = null
      IDBObjectStore.prototype.put = function (value, key) {
        // Nothing is written any more.
        if (left === 0) return after as IDBRequest<IDBValidKey>
        const request = put.call(this, value, key)
        // As when the page is closed: what was written goes with the transaction.
        if (--left === 0) this.transaction.abort()
        return request
      }
      try {
        await expect(openIndexedDbStorage(name)).rejects.toThrow(/cannot be opened/)
      } finally {
        Object.assign(IDBObjectStore.prototype, { put })
      }
      expect(left).toBe(0)
      expect(await look(name)).toEqual(before)
      await using storage = await openIndexedDbStorage(name)
      const channel = { cumulative: 7n, isRecovered: false, isLeaving: false }
      expect(await storage.table('channels').get('a')).toMatchObject(channel)
      expect(await storage.table('standing').get('b')).toMatchObject({ answers: 2, forgiven: {} })
    })
  }

  it('behaviour: what cannot be stored leaves the old value', async () => {
    await using storage = await openIndexedDbStorage('unstorable')
    const table = storage.table<unknown>('rows')
    await table.update('a', () => 1)
    await expect(table.update('a', () => () => 2)).rejects.toThrow(/could not be cloned/)
    expect(await table.get('a')).toBe(1)
  })
})
exposeSuites()
