import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'

export interface HoldFileInit {
  /** Called once when another holder is waited for. */
  onWait?: (() => void) | undefined
  signal?: AbortSignal | undefined
}

/** How often it is tried again while another one holds it. */
const RETRY_MS = 100
const SQLITE_BUSY = 5

/**
 * Holds a file against every other caller, in this process and others, until it is disposed. The
 * system lets go when a process dies, so nothing is left locked: SQLite's own lock on an empty
 * database does that on each platform. The file stays, empty.
 * @throws the file system's error when the file cannot be made; the signal's reason
 */
export async function holdFile(path: string, init: HoldFileInit = {}): Promise<Disposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (let isFirst = true; ; isFirst = false) {
    init.signal?.throwIfAborted()
    const held = tryHold(path)
    if (held !== null) return held
    if (isFirst) init.onWait?.()
    await setTimeout(RETRY_MS, undefined, { signal: init.signal })
  }
}

/** Holds a file as `holdFile` does. @returns null when another one holds it now */
export function tryHold(path: string): Disposable | null {
  const db = new DatabaseSync(path)
  try {
    db.exec('BEGIN EXCLUSIVE')
    return { [Symbol.dispose]: () => db.close() }
  } catch (error) {
    db.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null
    throw error
  }
}
