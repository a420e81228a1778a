/** What a device finds of the router that it is behind, in network namespaces: `npm run netns`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNot } from './commands.ts'
import { createInternet, type Host, type Internet } from './internet.ts'
import type { NatKind } from './nat-rules.ts'

const PROGRAM = fileURLToPath(new URL('stun-process.ts', import.meta.url))
const PORT = 4217
const why = whyNot()

describe.skipIf(why !== null)(`a router’s kind${why === null ? '' : ` (${why})`}`, () => {
  let internet: Internet
  const servers: string[] = []
  const children: ChildProcess[] = []

  function start({ namespace }: Host, ...args: string[]): ChildProcess {
    const command = ['netns', 'exec', namespace, process.execPath, '--no-warnings', PROGRAM]
    const child = spawn('ip', [...command, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    children.push(child)
    return child
  }
  const ask = async (host: Host, ...of: string[]): Promise<unknown> =>
    (await once(start(host, 'ask', ...of), 'message'))[0]

  beforeAll(async () => {
    internet = await createInternet()
    for (let i = 0; i < 2; i++) {
      const host = await internet.host()
      await once(start(host, 'serve', String(PORT)), 'message')
      servers.push(`${host.address}:${PORT}`)
    }
  })
  afterAll(async () => {
    for (const child of children) {
      child.kill()
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await internet?.[Symbol.asyncDispose]()
  })

  it('default: there is none before a device with an address of its own', async () => {
    const host = await internet.host()
    const { kind, seen } = (await ask(host, ...servers)) as { kind: string; seen: string[] }
    expect([kind, seen.length]).toEqual(['none', 2])
    for (const one of seen) expect(one.startsWith(`${host.address}:`)).toBe(true)
  })

  it.for<[NatKind, string]>([
    ['full cone', 'same'],
    ['port restricted', 'same'],
    ['symmetric', 'other'],
  ])('behaviour: a $0 one shows $1 to two that are asked', async ([nat, expected]) => {
    const host = await internet.hidden(nat)
    const { kind, seen } = (await ask(host, ...servers)) as { kind: string; seen: string[] }
    expect(kind).toBe(expected)
    for (const one of seen) expect(one.startsWith(`${host.router.address}:`)).toBe(true)
  })

  it('behaviour: one server alone cannot tell, and none is an error', async () => {
    const host = await internet.hidden('symmetric')
    expect(await ask(host, servers[0] ?? '')).toMatchObject({ kind: 'some' })
    expect(await ask(host, '20.0.0.1:9')).toMatch(/answers STUN/)
  })
})
