/** A local network of its own: namespaces on one bridge, apart from the machine's network. Needs root. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface LocalNetwork extends Disposable {
  /** Name of the namespace of each host; host i has 10.87.0.(i + 1). */
  hosts: string[]
}

/** Why it cannot be made here, or null. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  if (process.getuid?.() !== 0) return 'making network namespaces needs root'
  const has = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'].some((path) => existsSync(path))
  return has ? null : 'ip is missing (Debian: apt-get install iproute2)'
}

export function createLocalNetwork(count: number): LocalNetwork {
  const name = `fh${process.pid}`
  const made: string[] = []
  const dispose = () => {
    for (const one of made.splice(0)) ip('netns', 'del', one)
  }
  const namespace = (one: string) => {
    ip('netns', 'add', one)
    made.push(one)
    ip('-n', one, 'link', 'set', 'lo', 'up')
    return one
  }
  try {
    const bridge = namespace(`${name}b`)
    ip('-n', bridge, 'link', 'add', 'lan0', 'type', 'bridge')
    // A frame for all goes to all: nobody here asks the bridge to be choosy.
    ip('-n', bridge, 'link', 'set', 'lan0', 'type', 'bridge', 'mcast_snooping', '0')
    ip('-n', bridge, 'link', 'set', 'lan0', 'up')
    const hosts = Array.from({ length: count }, (_, i) => {
      const host = namespace(`${name}h${i}`)
      const port = `p${i}`
      ip('-n', host, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', bridge)
      ip('-n', bridge, 'link', 'set', port, 'master', 'lan0', 'up')
      ip('-n', host, 'addr', 'add', `10.87.0.${i + 1}/24`, 'dev', 'eth0')
      ip('-n', host, 'link', 'set', 'eth0', 'up')
      ip('-n', host, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')
      return host
    })
    return { hosts, [Symbol.dispose]: dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`)
}
