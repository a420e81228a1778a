import { FreeholdError } from '@freehold/core/errors'
import { migrateRows, STORAGE_VERSION } from '@freehold/core/migrations'
import type { Storage, Table } from '@freehold/core/storage'

const ROWS = 'rows'

/**
 * Storage in one IndexedDB database of this page's origin. `strict` durability: when an update
 * returns, it is on disk. Several tabs may share the database. A browser may throw it away when the
 * disk is full, unless the page asked for `navigator.storage.persist()`.
 */
export async function openIndexedDbStorage(name: string): Promise<Storage> {
  const db = await open(name)
  // Another tab wants to upgrade or delete it: let go, further calls say so.
  db.onversionchange = () => db.close()

  const strict = () => db.transaction(ROWS, 'readwrite', { durability: 'strict' })

  function table<T>(table: string): Table<T> {
    const keyOf = (key: string) => [table, key]
    return {
      get: async (key) => {
        const rows = db.transaction(ROWS).objectStore(ROWS)
        return (await done(rows.get(keyOf(key)))) as T | undefined
      },
      list: async () => {
        const rows = db.transaction(ROWS).objectStore(ROWS)
        // A list sorts after all text, so these are all keys of the table.
        const range = IDBKeyRange.bound([table], [table, []])
        const [keys, values] = await Promise.all([
          done(rows.getAllKeys(range)),
          done(rows.getAll(range)),
        ])
        return values.map((value, i) => [(keys[i] as [string, string])[1], value as T])
      },
      put: async (key, value) => {
        const transaction = strict()
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        transaction.objectStore(ROWS).put(tight(value), keyOf(key))
        transaction.oncomplete = () => resolve()
        transaction.onabort = () => reject(transaction.error)
        return promise
      },
      update: async (key, change) => {
        const transaction = strict()
        const rows = transaction.objectStore(ROWS)
        const { promise, resolve, reject } = Promise.withResolvers<T | undefined>()
        const read = rows.get(keyOf(key))
        let next: T | undefined
        let thrown: { error: unknown } | undefined
        read.onsuccess = () => {
          try {
            const old = read.result as T | undefined
            next = change(old)
            if (next === undefined) rows.delete(keyOf(key))
            else if (next !== old) rows.put(tight(next), keyOf(key))
          } catch (error) {
            thrown = { error }
            transaction.abort()
          }
        }
        transaction.oncomplete = () => resolve(next)
        transaction.onabort = () => reject(thrown === undefined ? transaction.error : thrown.error)
        return promise
      },
    }
  }

  return { table, [Symbol.asyncDispose]: async () => db.close() }
}

function open(name: string): Promise<IDBDatabase> {
  const { promise, resolve, reject } = Promise.withResolvers<IDBDatabase>()
  const request = indexedDB.open(name, STORAGE_VERSION)
  request.onupgradeneeded = ({ oldVersion }) => {
    if (oldVersion === 0) request.result.createObjectStore(ROWS)
    else if (request.transaction) migrate(request.transaction.objectStore(ROWS), oldVersion)
  }
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => {
    const isLater = request.error?.name === 'VersionError'
    reject(
      new FreeholdError({
        what: `the database ${name} cannot be opened`,
        why: isLater ? 'it was written by a later version of Freehold' : request.error?.message,
        next: isLater ? 'Reload the page.' : undefined,
        cause: request.error,
      }),
    )
  }
  return promise
}

/** Within the upgrade's one transaction: the rows are all old or all new. */
function migrate(store: IDBObjectStore, from: number): void {
  const keys = store.getAllKeys()
  const values = store.getAll()
  values.onsuccess = () => {
    const rows = (keys.result as [string, string][]).map(([table, key], i) => ({
      table,
      key,
      value: values.result[i] as unknown,
    }))
    store.clear()
    for (const { table, key, value } of migrateRows(rows, from)) store.put(value, [table, key])
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  request.onsuccess = () => resolve(request.result)
  request.onerror = () => reject(request.error)
  return promise
}

/** Plain data whose byte strings own their memory: a clone of a part would keep all of its buffer. */
function tight(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map(tight)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, tight(part)]))
}
