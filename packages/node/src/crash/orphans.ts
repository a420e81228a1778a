import { readdir, readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { MARK } from './party-process.ts'

/** Processes that carry the mark, after they had `ms` to end; none where there is no /proc. */
export async function findOrphans(mark: string, ms: number): Promise<number[]> {
  const deadline = Date.now() + ms
  for (;;) {
    const alive = await marked(mark)
    if (alive.length === 0 || Date.now() >= deadline) return alive
    await setTimeout(50)
  }
}

async function marked(mark: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')
    if (!environment.split('\0').includes(`${MARK}=${mark}`)) continue
    // One that only waits to be reaped is gone.
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => ') Z ')
    if (!/\) Z /.test(stat)) found.push(Number(name))
  }
  return found
}
