/** Multicast DNS between namespaces, never on the machine's own network: `npm run netns`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLocalNetwork, type LocalNetwork, whyNoNamespaces } from './namespaces.ts'

const DEVICE = fileURLToPath(new URL('./mdns-device.ts', import.meta.url))
const why = whyNoNamespaces()

describe.skipIf(why !== null)(`the local network${why === null ? '' : ` (${why})`}`, () => {
  let network: LocalNetwork
  let folder: string
  const children: ChildProcess[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'freehold-mdns-'))
    network = createLocalNetwork(2)
  })
  afterAll(async () => {
    for (const child of children) {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    network?.[Symbol.dispose]()
    await rm(folder, { recursive: true, force: true })
  })

  function start(host: number, role: 'lend' | 'look'): ChildProcess {
    const args = ['netns', 'exec', network.hosts[host] ?? '', process.execPath, '--no-warnings']
    const child = spawn('ip', [...args, DEVICE, join(folder, role), role], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    children.push(child)
    return child
  }

  it('default: a device that is told nothing finds a lender under the same roof', async () => {
    const lender = start(0, 'lend')
    expect((await once(lender, 'message'))[0]).toBe('there')
    const borrower = start(1, 'look')
    expect((await once(borrower, 'message'))[0]).toBe('there')
    const [found] = (await once(borrower, 'message')) as [string[]]
    expect(found).toEqual([expect.stringMatching(/^\/ip4\/10\.87\.0\.1\/tcp\/4215\/p2p\/12D3Koo/)])
  })
})
