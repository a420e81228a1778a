import type { Storage, Table } from './storage.ts'

/** Storage that forgets: for tests, and for a device that is asked to leave no trace. */
export function createMemoryStorage(): Storage {
  const tables = new Map<string, Map<string, unknown>>()
  return {
    table<T>(name: string): Table<T> {
      const rows = (tables.get(name) ?? new Map()) as Map<string, T>
      tables.set(name, rows)
      return {
        get: async (key) => structuredClone(rows.get(key)),
        put: async (key, value) => {
          rows.set(key, structuredClone(value))
        },
        update: async (key, change) => {
          const old = structuredClone(rows.get(key))
          const next = change(old)
          if (next === old) return next
          if (next === undefined) rows.delete(key)
          else rows.set(key, structuredClone(next))
          return next
        },
        list: async () =>
          [...rows.entries()]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, value]) => [key, structuredClone(value)]),
      }
    },
    [Symbol.asyncDispose]: async () => tables.clear(),
  }
}
