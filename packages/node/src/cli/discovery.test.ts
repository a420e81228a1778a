import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { decodeInvitation } from '@freehold/core/wire/invitation'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pathsOf, type Settings } from '../config.ts'
import { startProgram } from '../demo/processes.ts'
import { openDevice } from '../device/open-device.ts'
import { readVaultFile, writeVaultFile } from '../storage/vault-file.ts'
import { qrText } from './qr-text.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const PASSPHRASE = 'a test of nothing secret'
let folder: string
let homes = 0
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-discovery-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function createHome(settings: object = {}, hasKeys = false): Promise<string> {
  const home = join(folder, String(homes++))
  await mkdir(home)
  await writeFile(join(home, 'config.json'), JSON.stringify(settings))
  if (hasKeys) await writeVaultFile(pathsOf({ home }).vault, createPhrase(systemRandom), PASSPHRASE)
  return home
}

async function freehold(home: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--no-warnings', MAIN, ...args], {
    env: {
      ...process.env,
      FREEHOLD_HOME: home,
      FREEHOLD_NORESIDENT: '1',
      FREEHOLD_PASSPHRASE: PASSPHRASE,
    },
  })
  child.stdin.end()
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

interface Said {
  isWell: boolean
  central: { name: string; inUse: string[]; without: string }[]
  checks: { name: string; status: string; says: string }[]
}

async function doctor(settings: object, ...args: string[]) {
  const { code, stdout } = await freehold(await createHome(settings), 'doctor', '--json', ...args)
  return { code, ...(JSON.parse(stdout) as Said) }
}

describe('freehold invite and join', () => {
  it('default: a link of one device brings another into its network', async () => {
    const [host, guest] = [await createHome({}, true), await createHome({}, true)]
    const early = await freehold(host, 'invite')
    expect(early).toMatchObject({ code: 2, stderr: expect.stringMatching(/not known where/) })
    const lender = startProgram(['lend', 'acorn', '--free', '--json'], {
      home: host,
      passphrase: PASSPHRASE,
    })
    try {
      await once(createInterface({ input: lender.stdout! }), 'line')
      lender.stdout?.resume()
      lender.stderr?.resume()
      const said = await freehold(host, 'invite', '--name', 'desk', '--expires', '1h')
      expect(said.stderr).toMatch(/█▀▀▀▀▀█|only this machine reaches/)
      const link = said.stdout.trim()
      expect(decodeInvitation(link)).toMatchObject({ name: 'desk' })
      const joined = await freehold(guest, 'join', link, '--json')
      expect(joined).toMatchObject({ code: 0 })
      expect(JSON.parse(joined.stdout)).toMatchObject({ name: 'desk', models: ['Acorn'] })
      // From the peer book alone, in a process of its own.
      const online = await freehold(guest, 'doctor', '--online', '--json')
      const { checks } = JSON.parse(online.stdout) as Said
      expect(checks.find(({ name }) => name.startsWith('device /'))).toMatchObject({ status: 'ok' })
    } finally {
      lender.kill()
      await once(lender, 'close')
    }
    const late = await freehold(guest, 'join', 'freehold:AAAA')
    expect(late).toMatchObject({ code: 1, stderr: expect.stringMatching(/^freehold: /) })
  })

  it('behaviour: a code is read as it is drawn', () => {
    const lines = qrText('freehold:x').split('\n')
    // Version 1 or 2, with its quiet border: all light above.
    expect(lines[0]).toMatch(/^█+$/)
    expect(new Set(lines.map((line) => line.length)).size).toBe(1)
    expect(lines[1]).toMatch(/^██ ▄▄▄▄▄ /)
  })
})

describe('freehold doctor', () => {
  it('default: names every central point and what stops without it, and asks nobody', async () => {
    const settings: Settings = {
      bootstrap: ['/ip4/127.0.0.1/tcp/1'],
      relays: [],
      stun: ['127.0.0.1:4'],
      modelHosts: ['http://127.0.0.1:2'],
      chain: { rpc: 'http://127.0.0.1:3/key', chainId: 5, house: '0x', token: '0x' },
    }
    const { code, isWell, central, checks } = await doctor(settings)
    expect({ code, isWell }).toEqual({ code: 0, isWell: true })
    expect(central.map(({ name, inUse }) => [name, inUse])).toEqual([
      ['bootstrap', ['/ip4/127.0.0.1/tcp/1']],
      ['relays', []],
      ['STUN servers', ['127.0.0.1:4']],
      ['model host', ['127.0.0.1:2']],
      ['ollama registry', [expect.any(String)]],
      ['chain RPC', ['127.0.0.1:3']],
      ['static host of the page', []],
    ])
    expect(central.every(({ without }) => without.length > 20)).toBe(true)
    const statusOf = Object.fromEntries(checks.map(({ name, status }) => [name, status]))
    expect(statusOf).toMatchObject({
      settings: 'ok',
      store: 'ok',
      model: 'ok',
      chain: 'not checked',
      'model host': 'not checked',
      devices: 'not checked',
    })
  })

  it('behaviour: says how others reach this device, asking whom the settings name', async () => {
    await using relay = await openDevice({
      paths: pathsOf({ home: join(folder, 'relay') }),
      phrase: createPhrase(systemRandom),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      discovery: { dht: true },
      reach: { relay: 'always' },
    })
    const [address = ''] = (await relay.discovering.state()).addresses
    const home = await createHome({ relays: [address], modelHosts: [], discovery: ['dht'] }, true)
    const { code, stdout } = await freehold(home, 'doctor', '--online', '--json')
    const { checks } = JSON.parse(stdout) as Said
    expect(code).toBe(0)
    // A process of this device that keeps a place there goes on keeping it.
    const phrase = await readVaultFile(pathsOf({ home }).vault, PASSPHRASE)
    expect(stdout).not.toContain(peerName((await deriveIdentity(phrase, 0)).device))
    const says = Object.fromEntries(checks.map(({ name, says }) => [name, says]))
    expect(says.router).toMatch(/^there is none before this device; seen as 127\.0\.0\.1:\d+$/)
    expect(says[`place at ${address}`]).toContain(`${address}/p2p-circuit/p2p/12D3Koo`)
    expect(says['reachable from outside']).toMatch(/^by its own address, by relay/)
  })

  it('behaviour: a relay that is away, and nobody who could tell of the router, fail by name', async () => {
    const gone = '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWQMUChZuaTCBe4nENe9NBEDpLg3wk5zNrZk74VgyUQ27K'
    const home = await createHome({ relays: [gone], modelHosts: [], discovery: ['dht'] }, true)
    const { code, stdout } = await freehold(home, 'doctor', '--online', '--json')
    const { checks } = JSON.parse(stdout) as Said
    expect(code).toBe(1)
    const failed = checks.filter(({ status }) => status === 'failed').map(({ name }) => name)
    expect(failed).toEqual([
      `relay ${gone}`,
      'router',
      `place at ${gone}`,
      'reachable from outside',
    ])
  })

  it('behaviour: every list may be empty', async () => {
    const empty = {
      bootstrap: [],
      relays: [],
      stun: [],
      modelHosts: [],
      discovery: [],
      chain: undefined,
    }
    const { code, central } = await doctor(empty, '--online')
    expect(code).toBe(0)
    const inUse = central.filter(({ name }) => name !== 'ollama registry')
    expect(inUse.flatMap((point) => point.inUse)).toEqual([])
  })

  it('behaviour: what does not hold fails by name, with status 1', async () => {
    const wrong = await doctor({ bootstrap: ['somewhere'] })
    expect(wrong.code).toBe(1)
    expect(wrong.checks[0]).toMatchObject({
      status: 'failed',
      says: expect.stringMatching(/bootstrap/),
    })
    const node = createServer((_, response) => response.end('{"result":"0x9"}')).listen(
      0,
      '127.0.0.1',
    )
    await once(node, 'listening')
    try {
      const { port } = node.address() as AddressInfo
      const rpc = `http://127.0.0.1:${port}`
      const chain = { rpc, chainId: 5, house: '0x', token: '0x' }
      const other = await doctor({ chain, modelHosts: [] }, '--online')
      expect(other.code).toBe(1)
      expect(other.checks.find(({ name }) => name.startsWith('chain'))).toMatchObject({
        status: 'failed',
        says: 'it is chain 9, and the settings say 5',
      })
    } finally {
      node.close()
    }
  })
})
