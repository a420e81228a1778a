import { randomBytes } from 'node:crypto'
import { command, loadRules } from './commands.ts'
import { LAN, type NatKind, natRules, WAN } from './nat-rules.ts'
import type { LineKind } from './slow-line.ts'
import { type RunningLine, startLine } from './start-line.ts'

/** A machine in a network namespace of its own. */
export interface Host {
  /** Name of its namespace. */
  namespace: string
  /** Its own IPv4 address. */
  address: string
  /** What carries its frames, if that is a line of some kind and no mere wire. */
  line?: RunningLine
}

/** A machine behind a router that translates addresses. */
export interface HiddenHost extends Host {
  router: Host
}

/**
 * An internet on one machine: namespaces on one bridge, which lies in a namespace too, so that none of
 * its packets sees the machine's own network. Whatever was made goes with it.
 */
export interface Internet extends AsyncDisposable {
  /**
   * A machine with an address that everybody reaches. Each has a first number of its own.
   * @param line what lies between it and all others @default a wire that takes no time and loses nothing
   */
  host(line?: LineKind): Promise<Host>
  /** A machine behind a router of this kind, which may be on such a line itself. */
  hidden(kind: NatKind, line?: LineKind): Promise<HiddenHost>
}

const BRIDGE = 'bridge0'
/** Addresses that libraries hold for public; nothing leaves the bridge. */
const FIRST_NUMBER = 20

export async function createInternet(): Promise<Internet> {
  const run = `fh${process.pid.toString(36)}${randomBytes(2).toString('hex')}`
  const namespaces: string[] = []
  const lines: RunningLine[] = []
  let hosts = 0
  let wires = 0

  async function namespace(): Promise<string> {
    const name = `${run}-${namespaces.length}`
    namespaces.push(name)
    await command('ip', 'netns', 'add', name)
    await command('ip', '-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  /** A wire between two namespaces, with both ends up. */
  async function wire(from: string, fromName: string, to: string, toName: string): Promise<void> {
    const args = ['link', 'add', fromName, 'type', 'veth', 'peer', 'name', toName, 'netns', to]
    await command('ip', '-n', from, ...args)
    await command('ip', '-n', from, 'link', 'set', fromName, 'up')
    await command('ip', '-n', to, 'link', 'set', toName, 'up')
  }

  /** A line between two namespaces, as a wire: both of its ends are made in the second one. */
  async function stretch(name: string, to: string, port: string, kind: LineKind) {
    const end = `${port}end`
    const line = await startLine(to, [end, port], kind)
    lines.push(line)
    await command('ip', '-n', to, 'link', 'set', end, 'name', WAN, 'netns', name)
    await command('ip', '-n', name, 'link', 'set', WAN, 'up')
    await command('ip', '-n', to, 'link', 'set', port, 'up')
    return line
  }

  async function join(name: string, kind?: LineKind): Promise<Pick<Host, 'address' | 'line'>> {
    const port = `p${wires++}`
    const line = kind && (await stretch(name, middle, port, kind))
    if (line === undefined) await wire(name, WAN, middle, port)
    await command('ip', '-n', middle, 'link', 'set', port, 'master', BRIDGE)
    const address = `${FIRST_NUMBER + hosts++}.0.0.1`
    await command('ip', '-n', name, 'address', 'add', `${address}/32`, 'dev', WAN)
    await command('ip', '-n', name, 'route', 'add', 'default', 'dev', WAN)
    return { address, ...(line ? { line } : {}) }
  }

  const dispose = async (): Promise<void> => {
    for (const line of lines) await line[Symbol.asyncDispose]()
    // Their interfaces go with them. One that cannot be removed keeps none of the others.
    const ends = namespaces.map((name) => command('ip', 'netns', 'delete', name))
    const failed = (await Promise.allSettled(ends)).filter(({ status }) => status === 'rejected')
    if (failed.length > 0) throw new Error(`${failed.length} namespaces of ${run} are left`)
  }

  let middle = ''
  try {
    middle = await namespace()
    await command('ip', '-n', middle, 'link', 'add', 'name', BRIDGE, 'type', 'bridge')
    await command('ip', '-n', middle, 'link', 'set', BRIDGE, 'up')
  } catch (error) {
    await dispose()
    throw error
  }
  const host = async (line?: LineKind): Promise<Host> => {
    const name = await namespace()
    return { namespace: name, ...(await join(name, line)) }
  }
  return {
    host,
    hidden: async (kind, line) => {
      const router = await host(line)
      const name = await namespace()
      await wire(name, WAN, router.namespace, LAN)
      const address = '10.0.0.2'
      await command('ip', '-n', router.namespace, 'address', 'add', '10.0.0.1/24', 'dev', LAN)
      await command('ip', '-n', name, 'address', 'add', `${address}/24`, 'dev', WAN)
      await command('ip', '-n', name, 'route', 'add', 'default', 'via', '10.0.0.1')
      const exec = ['netns', 'exec', router.namespace]
      await command('ip', ...exec, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
      await loadRules(router.namespace, natRules(kind))
      return { namespace: name, address, router }
    },
    [Symbol.asyncDispose]: dispose,
  }
}
