import { readFile } from 'node:fs/promises'
import { freemem, totalmem } from 'node:os'
import { dirname, join } from 'node:path'

/** Memory that a new model may take without anything being killed or swapped out. */
export interface FreeMemory {
  availableBytes: number
  totalBytes: number
  /** Who says so: the system, or the limit of the container or service that this runs in. */
  source: 'system' | 'cgroup'
}

/**
 * Asks how much memory is free: `MemAvailable` on Linux, which counts what the file cache would give
 * back, and the limits of all control groups above this process; `os.freemem()` elsewhere.
 * @param root where `/proc` and `/sys` lie, for tests
 */
export async function freeMemory(root = '/'): Promise<FreeMemory> {
  const meminfo = await read(join(root, 'proc/meminfo'))
  const system: FreeMemory = {
    availableBytes: kibibytes(meminfo, 'MemAvailable') ?? freemem(),
    totalBytes: kibibytes(meminfo, 'MemTotal') ?? totalmem(),
    source: 'system',
  }
  const groups = await groupLimits(root)
  return groups
    .filter(({ totalBytes }) => totalBytes < system.totalBytes)
    .reduce((least, group) => (group.availableBytes < least.availableBytes ? group : least), system)
}

async function groupLimits(root: string): Promise<FreeMemory[]> {
  const limits: FreeMemory[] = []
  for (const line of (await read(join(root, 'proc/self/cgroup'))).split('\n')) {
    const [hierarchy, controllers = '', path] = line.split(':')
    if (path === undefined) continue
    const isV2 = hierarchy === '0' && controllers === ''
    if (!isV2 && !controllers.split(',').includes('memory')) continue
    const mount = join(root, isV2 ? 'sys/fs/cgroup' : 'sys/fs/cgroup/memory')
    // A group's limit also binds those below it. In a container, the path may not be visible.
    for (let group = join('/', path); ; group = dirname(group)) {
      const limit = await (isV2 ? readV2 : readV1)(join(mount, group))
      if (limit !== undefined) limits.push(limit)
      if (group === dirname(group)) break
    }
  }
  return limits
}

async function readV2(folder: string): Promise<FreeMemory | undefined> {
  const [max, current, stat] = await Promise.all(
    ['memory.max', 'memory.current', 'memory.stat'].map((name) => read(join(folder, name))),
  )
  return limitOf(max, current, entry(stat, 'inactive_file') + entry(stat, 'active_file'))
}

async function readV1(folder: string): Promise<FreeMemory | undefined> {
  const names = ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'memory.stat']
  const [max, current, stat] = await Promise.all(names.map((name) => read(join(folder, name))))
  const cached = entry(stat, 'total_inactive_file') + entry(stat, 'total_active_file')
  return limitOf(max, current, cached)
}

/** What a group uses for the file cache it would give back. */
function limitOf(max = '', current = '', cachedBytes = 0): FreeMemory | undefined {
  const [totalBytes, used] = [max, current].map((text) => (text.trim() === '' ? NaN : Number(text)))
  if (totalBytes === undefined || used === undefined) return undefined
  if (Number.isNaN(totalBytes) || Number.isNaN(used)) return undefined
  const availableBytes = Math.max(0, totalBytes - Math.max(0, used - cachedBytes))
  return { availableBytes, totalBytes, source: 'cgroup' }
}

function kibibytes(meminfo: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1]
  return found === undefined ? undefined : Number(found) * 1024
}

function entry(stat = '', name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
