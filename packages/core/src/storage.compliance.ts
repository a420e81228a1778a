import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Storage, Table } from './storage.ts'

/** Tests that every `Storage` must pass. */
export function storageCompliance(
  name: string,
  createStorage: () => Storage | Promise<Storage>,
): void {
  describe(`storage compliance: ${name}`, () => {
    let storage: Storage
    let table: Table<unknown>

    beforeEach(async () => {
      storage = await createStorage()
      table = storage.table('rows')
    })
    afterEach(async () => {
      await storage[Symbol.asyncDispose]()
    })

    it('default: keeps a value under its key', async () => {
      expect(await table.get('a')).toBeUndefined()
      expect(await table.update('a', () => ({ n: 1 }))).toEqual({ n: 1 })
      expect(await table.get('a')).toEqual({ n: 1 })
      expect(await table.get('b')).toBeUndefined()
    })

    it('behaviour: a value is put, whatever was there', async () => {
      await table.put('a', { n: 1n })
      expect(await table.get('a')).toEqual({ n: 1n })
      const value = { list: [1] }
      await table.put('a', value)
      value.list.push(2)
      expect(await table.list()).toEqual([['a', { list: [1] }]])
    })

    it('behaviour: a change sees the old value and replaces it', async () => {
      const numbers = storage.table<number>('numbers')
      for (let i = 0; i < 3; i++) await numbers.update('n', (old) => (old ?? 0) + 1)
      expect(await numbers.get('n')).toBe(3)
    })

    it('behaviour: the old value itself stays as it was', async () => {
      await table.put('a', { n: 1 })
      expect(await table.update('a', (old) => old)).toEqual({ n: 1 })
      expect(await table.update('b', (old) => old)).toBeUndefined()
      expect(await table.list()).toEqual([['a', { n: 1 }]])
    })

    it('behaviour: undefined removes a row', async () => {
      await table.update('a', () => 1)
      expect(await table.update('a', () => undefined)).toBeUndefined()
      expect(await table.get('a')).toBeUndefined()
      expect(await table.list()).toEqual([])
      expect(await table.update('a', () => undefined)).toBeUndefined()
    })

    it('behaviour: a change that throws leaves the old value', async () => {
      await table.update('a', () => ({ n: 1 }))
      const change = (old: unknown) => {
        ;(old as { n: number }).n = 2
        throw new Error('no')
      }
      await expect(table.update('a', change)).rejects.toThrow('no')
      expect(await table.get('a')).toEqual({ n: 1 })
      // And nothing is left locked.
      await table.update('a', () => ({ n: 3 }))
      expect(await table.get('a')).toEqual({ n: 3 })
    })

    it('behaviour: a change that throws leaves no new row', async () => {
      const change = () => {
        throw new Error('no')
      }
      await expect(table.update('a', change)).rejects.toThrow('no')
      expect(await table.list()).toEqual([])
    })

    it('behaviour: lists rows in the order of their keys', async () => {
      for (const key of ['b', 'a10', 'a', 'a9', 'Z', '0x1', '']) await table.update(key, () => key)
      const order = ['', '0x1', 'Z', 'a', 'a10', 'a9', 'b']
      expect(await table.list()).toEqual(order.map((key) => [key, key]))
    })

    it('behaviour: tables do not see each other', async () => {
      await table.update('a', () => 1)
      await storage.table('others').update('a', () => 2)
      expect(await table.get('a')).toBe(1)
      expect(await storage.table('others').list()).toEqual([['a', 2]])
      // A table is its name, not the object.
      expect(await storage.table('rows').get('a')).toBe(1)
    })

    it('behaviour: big numbers, bytes and what they are in survive', async () => {
      const value = {
        big: 2n ** 128n - 1n,
        negative: -5n,
        bytes: Uint8Array.of(0, 255, 128),
        empty: new Uint8Array(0),
        part: Uint8Array.of(1, 2, 3, 4).subarray(1, 3),
        list: [1n, [Uint8Array.of(9)], null, 'text', true, 1.5],
        record: { 'key with "quotes"': '\u0000\n🌰' },
      }
      await table.update('a', () => value)
      const kept = (await table.get('a')) as typeof value
      expect(kept).toEqual(value)
      expect(kept.bytes).toBeInstanceOf(Uint8Array)
      expect([...kept.part]).toEqual([2, 3])
    })

    it('behaviour: a value that was read or written is a copy', async () => {
      const value = { list: [1] }
      const returned = (await table.update('a', () => value)) as typeof value
      value.list.push(2)
      returned.list.push(3)
      const read = (await table.get('a')) as typeof value
      read.list.push(4)
      expect(await table.get('a')).toEqual({ list: [1] })
    })

    it('behaviour: concurrent changes lose nothing', async () => {
      const numbers = storage.table<bigint>('numbers')
      const turns = Array.from({ length: 200 }, (_, i) =>
        numbers.update(`n${i % 2}`, (old) => (old ?? 0n) + 1n),
      )
      const seen = await Promise.all(turns)
      expect(await numbers.list()).toEqual([
        ['n0', 100n],
        ['n1', 100n],
      ])
      expect(new Set(seen).size).toBe(100)
    })
  })
}
