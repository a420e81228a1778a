import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { FreeholdError } from '@freehold/core/errors'
import type { Storage, Table } from '@freehold/core/storage'
import { fromJson, toJson } from './plain-json.ts'
import { createWalFlush } from './wal-flush.ts'

/** Version of the tables below; a database of a later one is not touched. */
const SCHEMA_VERSION = 1

/** How long a process waits for another one that writes to the same device's database. */
const BUSY_MS = 10_000

/**
 * Storage in one SQLite file. When a write's promise resolves it is on disk, and only then is a token
 * served that depends on it. A commit survives this process at once; its log is flushed beside this
 * thread (`synchronous=NORMAL` leaves that to us), which goes on serving. Several processes may share
 * the file.
 */
export function openSqliteStorage(path: string): Storage {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA busy_timeout=${BUSY_MS}; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL`)
  migrate(db, path)
  const read = db.prepare('SELECT value FROM rows WHERE name = ? AND key = ?')
  const readAll = db.prepare('SELECT key, value FROM rows WHERE name = ? ORDER BY key')
  const write = db.prepare(
    'INSERT INTO rows (name, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  )
  const wal = createWalFlush(path)
  const remove = db.prepare('DELETE FROM rows WHERE name = ? AND key = ?')

  function atomically<T>(work: () => T): T {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }

  function table<T>(name: string): Table<T> {
    const get = (key: string): T | undefined => {
      const row = read.get(name, key)
      return row === undefined ? undefined : (fromJson(row.value as string) as T)
    }
    return {
      get: async (key) => get(key),
      list: async () =>
        readAll.all(name).map(({ key, value }) => [key as string, fromJson(value as string) as T]),
      put: async (key, value) => {
        write.run(name, key, toJson(value))
        await wal.flush()
      },
      update: async (key, change) => {
        const { old, next } = atomically(() => {
          const before = get(key)
          const after = change(before)
          if (after === undefined) remove.run(name, key)
          else if (after !== before) write.run(name, key, toJson(after))
          return { old: before, next: after }
        })
        await (next === old ? wal.idle() : wal.flush())
        return next
      },
    }
  }

  return {
    table,
    [Symbol.asyncDispose]: async () => {
      await wal[Symbol.asyncDispose]()
      if (db.isOpen) db.close()
    },
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version > SCHEMA_VERSION) {
    db.close()
    throw new FreeholdError({
      what: `${path} was written by a later version of Freehold`,
      why: `its version is ${version}, this one knows ${SCHEMA_VERSION}`,
    })
  }
  if (version === SCHEMA_VERSION) return
  db.exec(`
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS rows (
      name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, key)
    ) WITHOUT ROWID;
    PRAGMA user_version = ${SCHEMA_VERSION};
    COMMIT;
  `)
}
