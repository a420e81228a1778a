/**
 * Named tables of plain data, handed in by the platform. Values may hold bigints and byte strings.
 * What a device's money depends on is kept here, so `put` and `update` are atomic and durable: when their promise
 * resolves, the new value survives a crash of the process and of the machine.
 */
export interface Table<T> {
  get(key: string): Promise<T | undefined>
  /**
   * Writes one value, whatever was there: cheaper than an update, which reads the old one.
   */
  put(key: string, value: T): Promise<void>
  /**
   * Replaces one value by a function of the old one; nobody else writes in between.
   * @param change pure and quick; what it throws leaves the old value in place, and the old value itself
   *   as it was given writes nothing
   * @returns the new value; undefined removes the row
   */
  update(key: string, change: (old: T | undefined) => T | undefined): Promise<T | undefined>
  /** All rows in the order of their keys. */
  list(): Promise<[key: string, value: T][]>
}

export interface Storage extends AsyncDisposable {
  table<T>(name: string): Table<T>
}

/** A row that must be there. @throws Error naming the row otherwise */
export function existing<T>(row: T | undefined, name: string): T {
  if (row === undefined) throw new Error(`no row ${name}`)
  return row
}
