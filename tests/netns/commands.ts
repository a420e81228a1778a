import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs one program of the system to its end. @returns stdout @throws with what it said on stderr */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, [...args])
  return stdout
}

/** Loads rules of nftables in a namespace. */
export async function loadRules(namespace: string, rules: string): Promise<void> {
  const running = run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'])
  running.child.stdin?.end(rules)
  await running
}

/** Why namespaces cannot be made here, or null. */
export function whyNot(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  if (process.getuid?.() !== 0) return 'making network namespaces needs root'
  const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin']
  const has = (program: string) => folders.some((folder) => existsSync(`${folder}/${program}`))
  if (!has('ip')) return 'ip is missing (Debian: apt-get install iproute2)'
  if (!has('nft')) return 'nft is missing (Debian: apt-get install nftables)'
  return null
}
