import { readdir, readFile, readlink } from 'node:fs/promises'

/**
 * Inodes of the AF_INET and AF_INET6 sockets that a process and its children hold now, as the
 * Linux kernel tells; elsewhere none can be seen.
 */
export async function inetSockets(pid: number): Promise<Set<string>> {
  if (process.platform !== 'linux') return new Set()
  const inet = new Set<string>()
  for (const kind of ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6']) {
    const lines = (await readFile(`/proc/net/${kind}`, 'utf8').catch(() => '')).split('\n').slice(1)
    for (const line of lines) inet.add(line.trim().split(/\s+/)[9] ?? '')
  }
  const held = new Set<string>()
  for (const member of await family(pid)) {
    const folder = `/proc/${member}/fd`
    for (const fd of await readdir(folder).catch(() => [])) {
      const target = await readlink(`${folder}/${fd}`).catch(() => '')
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode !== undefined && inet.has(inode)) held.add(inode)
    }
  }
  return held
}

/** A process and everything below it. */
async function family(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`).catch(() => [])
  const children = await Promise.all(
    tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '')),
  )
  const pids = children.join(' ').split(/\s+/).filter(Boolean).map(Number)
  return [pid, ...(await Promise.all(pids.map(family))).flat()]
}
