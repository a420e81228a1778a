import { readdir, readFile } from 'node:fs/promises'

/**
 * Bytes that a process and all below it hold in memory. Pages that several processes map count in
 * shares (PSS), but for those of `file`: they count whole, once, so that another program that has the
 * same file open makes nobody look smaller. Linux only.
 * @returns NaN elsewhere
 */
export async function memoryOf(pid: number, file: string): Promise<number> {
  if (process.platform !== 'linux') return Number.NaN
  const pids = await familyOf(pid)
  const maps = await Promise.all(pids.map((one) => readFile(`/proc/${one}/smaps`, 'utf8')))
  const each = maps.map((text) => sumMaps(text, file))
  const others = each.reduce((sum, { otherBytes }) => sum + otherBytes, 0)
  return others + Math.max(0, ...each.map(({ fileBytes }) => fileBytes))
}

/** Adds up what `/proc/PID/smaps` says: PSS of all but one file, resident bytes of that file. */
export function sumMaps(smaps: string, file: string): { fileBytes: number; otherBytes: number } {
  let [fileBytes, otherBytes] = [0, 0]
  let isFile = false
  for (const line of smaps.split('\n')) {
    const [head, path] = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$/.exec(line) ?? []
    const [, key, kibibytes] = /^(\w+): +(\d+) kB$/.exec(line) ?? []
    if (head !== undefined) isFile = path === file
    else if (isFile && key === 'Rss') fileBytes += Number(kibibytes) * 1_024
    else if (!isFile && key === 'Pss') otherBytes += Number(kibibytes) * 1_024
  }
  return { fileBytes, otherBytes }
}

/** The names of the libraries of llama.cpp's CPU back-end that a process and all below it loaded. */
export async function cpuLibrariesOf(pid: number): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const pids = await familyOf(pid)
  const maps = await Promise.all(pids.map((one) => readFile(`/proc/${one}/maps`, 'utf8')))
  const names = maps.join('\n').matchAll(/\/(libggml-cpu[^/\n]*)$/gm)
  return [...new Set([...names].map(([, name]) => name ?? ''))]
}

async function familyOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`)
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8')),
  )
  const children = lists.join(' ').split(' ').filter(Boolean).map(Number)
  return [pid, ...(await Promise.all(children.map(familyOf))).flat()]
}
