import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const TOKEN = 'secret-of-the-api'
const PASSPHRASE = 'correct horse battery'
const SWITCHED_OFF = 'its owner switched it off'

let home: string
const children = new Set<ChildProcess>()
let lines: AsyncIterator<string>
let url: string

function start(args: readonly string[]): Interface {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args, '--json'], {
    env: {
      ...process.env,
      ...{ FREEHOLD_HOME: home, FREEHOLD_PASSPHRASE: PASSPHRASE, FREEHOLD_API_TOKEN: TOKEN },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  child.once('close', () => children.delete(child))
  return createInterface(child.stdout)
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-dashboard-'))
  await once(start(['wallet', 'init']), 'close')
  lines = start(['lend', '--free', 'acorn-small'])[Symbol.asyncIterator]()
  expect(await event()).toMatchObject({ event: 'lending' })
  const [line] = await once(start(['serve', '--port', '0']), 'line')
  url = String(JSON.parse(line).url)
}, 180_000)
afterAll(async () => {
  for (const child of children) if (child.kill('SIGTERM')) await once(child, 'close')
  await rm(home, { recursive: true, force: true })
})

async function event(): Promise<Record<string, unknown>> {
  return JSON.parse((await lines.next()).value as string)
}

function ask(
  path: string,
  { headers, ...init }: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
) {
  const own = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  return fetch(url + path, { ...init, headers: { ...own, ...headers } })
}

const turn = (isOn: boolean) =>
  ask('/freehold/lending', { method: 'POST', body: JSON.stringify({ isOn }) })
const lendingNow = async () => (await (await ask('/freehold/device')).json()).lending

describe('the dashboard of a device', { timeout: 60_000 }, () => {
  it('default: says who it is, who lends, whom it knows and what is owed', async () => {
    const { lending, ...said } = await (await ask('/freehold/device')).json()
    expect(said).toMatchObject({ device: null, scope: 'device', peers: [] })
    expect(said.ledger).toMatchObject({ pays: { due: '0' }, earns: { due: '0' }, days: [] })
    expect(lending).toMatchObject({ isOn: true, running: [{ models: ['acorn-small'], why: null }] })
    expect(lending.running[0].addresses[0]).toContain('/ip4/127.0.0.1/tcp/')
  })

  it('behaviour: lending goes off at once, in another process, and on again', async () => {
    expect((await turn(false)).status).toBe(204)
    expect(await event()).toEqual({ event: 'may-lend', may: false, why: SWITCHED_OFF })
    expect((await lendingNow()).isOn).toBe(false)
    expect((await turn(true)).status).toBe(204)
    expect(await event()).toEqual({ event: 'may-lend', may: true, why: null })
    expect((await lendingNow()).isOn).toBe(true)
    expect((await turn('no' as unknown as boolean)).status).toBe(400)
  })

  it('default: tells what doctor and config show say, and no secret', async () => {
    const { checks } = await (await ask('/freehold/doctor')).json()
    expect(checks.map(({ name }: { name: string }) => name)).toContain('model')
    const settings = JSON.stringify(await (await ask('/freehold/settings')).json())
    expect(settings).toContain(home)
    for (const secret of [TOKEN, PASSPHRASE]) expect(settings).not.toContain(secret)
  })

  it('behaviour: neither strangers nor pages of other programs see it', async () => {
    expect((await fetch(`${url}/freehold/device`)).status).toBe(401)
    const other = { headers: { origin: 'http://localhost:3000' } }
    expect((await ask('/v1/models', other)).status).toBe(200)
    for (const path of ['device', 'doctor', 'settings']) {
      expect((await ask(`/freehold/${path}`, other)).status).toBe(403)
    }
    const own = { headers: { origin: url } }
    expect((await ask('/freehold/device', own)).status).toBe(200)
  })
})
