import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SIZE_MIB = 24

/** A small disk of its own, that can be full; needs root. */
export interface SmallDisk extends AsyncDisposable {
  fill(): Promise<void>
  empty(): Promise<void>
}

/** null: this machine lets nobody mount. */
export async function mountSmallDisk(path: string): Promise<SmallDisk | null> {
  await mkdir(path, { recursive: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_MIB}m`, 'tmpfs', path])
  } catch {
    return null
  }
  const ballast = join(path, 'ballast')
  return {
    // What was written when no more fitted stays there.
    fill: () => writeFile(ballast, new Uint8Array(SIZE_MIB * 2 ** 20)).catch(() => {}),
    empty: () => rm(ballast, { force: true }),
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['-l', path])
    },
  }
}
