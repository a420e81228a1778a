import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Says to the other processes of this device when its owner is being answered. */
export interface OwnUse {
  /** An answer for the owner begins; disposing ends it. What cannot be written stops no answer. */
  begin(): Disposable
}

const LAST = 'last'

/** Where processes of this device say that they answer its owner. */
export function ownUseFolder({ state }: { state: string }): string {
  return join(state, 'own-use')
}

/** @param folder of this person alone; each process has a file there while it answers */
export function openOwnUse(folder: string): OwnUse {
  const own = join(folder, String(process.pid))
  const last = join(folder, LAST)
  let running = 0
  const quietly = (work: () => void) => {
    try {
      work()
    } catch {}
  }
  return {
    begin: () => {
      if (running++ === 0) {
        quietly(() => {
          mkdirSync(folder, { recursive: true, mode: 0o700 })
          writeFileSync(own, '')
        })
      }
      let isOver = false
      return {
        [Symbol.dispose]: () => {
          if (isOver) return
          isOver = true
          running--
          quietly(() => {
            writeFileSync(last, '')
            const now = new Date()
            utimesSync(last, now, now)
            if (running === 0) rmSync(own, { force: true })
          })
        },
      }
    },
  }
}

/** How the owner uses this device now. */
export async function readOwnUse(
  folder: string,
  nowMs = Date.now(),
): Promise<{ isOwnRunning: boolean; ownIdleMs: number }> {
  const names = await readdir(folder).catch(() => [])
  let isOwnRunning = false
  for (const name of names) {
    if (name === LAST) continue
    if (isAlive(Number(name))) isOwnRunning = true
    // Its process was killed: nobody else takes its file away.
    else await rm(join(folder, name), { force: true })
  }
  const last = await stat(join(folder, LAST)).catch(() => undefined)
  const ownIdleMs = last === undefined ? Number.POSITIVE_INFINITY : nowMs - last.mtimeMs
  return { isOwnRunning, ownIdleMs }
}

export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
