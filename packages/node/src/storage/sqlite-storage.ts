import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { migrateRows, refuseLaterVersion, STORAGE_VERSION } from '@freehold/core/migrations'
import type { Storage, Table } from '@freehold/core/storage'
import { fromJson, toJson } from './plain-json.ts'
import { createWalFlush } from './wal-flush.ts'

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

/** Brings the database to this version. It is as it was, or whole in the new one, whenever we die. */
function migrate(db: DatabaseSync, path: string): void {
  if (requireKnown(db, path) === STORAGE_VERSION) return
  // Two processes may find it old at once: the second one sees what the first one did.
  db.exec('BEGIN IMMEDIATE')
  try {
    const version = requireKnown(db, path)
    if (version > 0 && version < STORAGE_VERSION) {
      keepCopy(path, version)
      migrateAll(db, version)
    } else if (version === 0) {
      db.exec(`CREATE TABLE rows (
        name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, key)
      ) WITHOUT ROWID`)
    }
    db.exec(`PRAGMA user_version = ${STORAGE_VERSION}; COMMIT`)
  } catch (error) {
    if (db.isOpen) db.close()
    throw error
  }
}

/** @returns the version of the database, 0 when it is new @throws FreeholdError when it is later */
function requireKnown(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version <= STORAGE_VERSION) return version
  db.close()
  return refuseLaterVersion(path, version)
}

/** Keeps the database of an old version beside the new one, whole or not at all. */
function keepCopy(path: string, version: number): void {
  const copy = `${path}.version-${version}`
  if (existsSync(copy)) return
  const half = `${copy}.half`
  rmSync(half, { force: true })
  // Another connection reads what is committed: the one that migrates cannot copy in its transaction.
  const source = new DatabaseSync(path, { readOnly: true })
  try {
    source.exec(`VACUUM INTO '${half.replaceAll("'", "''")}'`)
  } finally {
    source.close()
  }
  renameSync(half, copy)
}

function migrateAll(db: DatabaseSync, from: number): void {
  const rows = db
    .prepare('SELECT name, key, value FROM rows')
    .all()
    .map(({ name, key, value }) => ({
      table: name as string,
      key: key as string,
      value: fromJson(value as string),
    }))
  db.exec('DELETE FROM rows')
  const write = db.prepare('INSERT INTO rows (name, key, value) VALUES (?, ?, ?)')
  for (const { table, key, value } of migrateRows(rows, from)) write.run(table, key, toJson(value))
}
