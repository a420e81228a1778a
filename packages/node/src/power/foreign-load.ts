import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Two looks must be so far apart to say anything: the kernel counts in hundredths of a second. */
const LEAST_TICKS = 20

/**
 * Says which share of all cores programs have used that are not of this process and its children, since
 * the call before; null while that is unknown.
 */
export function createForeignLoad(init: {
  proc: string
  pid?: number | undefined
}): () => Promise<number | null> {
  const { proc, pid = process.pid } = init
  let before: { busy: number; all: number; own: number } | null = null
  let last: number | null = null
  return async () => {
    const total = await cpuTicks(proc)
    if (total === null) return null
    const now = { ...total, own: await treeTicks(proc, pid) }
    const passed = before === null ? 0 : now.all - before.all
    if (before !== null && passed < LEAST_TICKS) return last
    if (before !== null) {
      // Children that ended take their ticks with them: never below none.
      const own = Math.max(0, now.own - before.own)
      last = Math.min(1, Math.max(0, now.busy - before.busy - own) / passed)
    }
    before = now
    return last
  }
}

async function cpuTicks(proc: string): Promise<{ busy: number; all: number } | null> {
  const text = await readFile(join(proc, 'stat'), 'utf8').catch(() => '')
  const fields = /^cpu +(.+)$/m.exec(text)?.[1]?.split(' ').map(Number)
  if (fields === undefined || fields.length < 4) return null
  // user nice system idle iowait irq softirq steal; guests are in user already.
  const all = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0)
  return { busy: all - (fields[3] ?? 0) - (fields[4] ?? 0), all }
}

/** What a process and those under it have used. */
async function treeTicks(proc: string, root: number): Promise<number> {
  const names = await readdir(proc).catch(() => [])
  const processes = new Map<number, { parent: number; ticks: number }>()
  for (const name of names.filter((one) => /^\d+$/.test(one))) {
    const text = await readFile(join(proc, name, 'stat'), 'utf8').catch(() => '')
    // The name in brackets may hold anything, brackets too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at] ?? 0), 0)
    processes.set(Number(name), { parent: Number(fields[1]), ticks })
  }
  let sum = 0
  for (const [pid, { ticks }] of processes) if (isUnder(processes, pid, root)) sum += ticks
  return sum
}

function isUnder(
  processes: ReadonlyMap<number, { parent: number }>,
  pid: number,
  root: number,
): boolean {
  for (let at = pid, depth = 0; at > 0 && depth < 100; depth++) {
    if (at === root) return true
    at = processes.get(at)?.parent ?? 0
  }
  return false
}
