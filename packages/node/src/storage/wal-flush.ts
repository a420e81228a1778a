import { type FileHandle, open } from 'node:fs/promises'

/** Flushes a database's write-ahead log to the disk, beside the thread that goes on working. */
export interface WalFlush extends AsyncDisposable {
  /**
   * Resolves when all that was committed before the call survives a loss of power. One flush serves
   * all who asked before it began: parallel answers share the disk's slowest act.
   */
  flush(): Promise<void>
  /** Resolves when no flush is under way. */
  idle(): Promise<void>
}

/** @param path of the database; its log is there once something was written to it */
export function createWalFlush(path: string): WalFlush {
  let file: FileHandle | undefined
  let last: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined

  const sync = async () => {
    waiting = undefined
    // A handle that may write, which Windows asks of whoever flushes.
    file ??= await open(`${path}-wal`, 'r+')
    await file.datasync()
  }

  return {
    flush: () => {
      waiting ??= last = last.then(sync, sync)
      return waiting
    },
    idle: () => last,
    [Symbol.asyncDispose]: async () => {
      await last.catch(() => {})
      await file?.close()
      file = undefined
    },
  }
}
