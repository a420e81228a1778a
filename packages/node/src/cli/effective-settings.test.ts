import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pathsOf, readEnvironment, type Settings } from '../config.ts'
import { foreignFolders } from '../models/foreign-stores.ts'
import { effectiveSettings } from './effective-settings.ts'

let home: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-settings-'))
})
afterEach(async () => {
  await rm(home, { recursive: true, force: true })
})

async function shown(settings: Settings, env: Record<string, string> = {}) {
  await writeFile(join(home, 'config.json'), JSON.stringify(settings))
  const all = await effectiveSettings({}, { FREEHOLD_HOME: home, ...env })
  return Object.fromEntries(all.map(({ name, ...rest }) => [name, rest]))
}

const ALL: Required<Settings> = {
  model: 'birch',
  chain: {
    rpc: 'http://me:node-secret@127.0.0.1:1/v2/node-secret',
    chainId: 1,
    house: '0x',
    token: '0x',
  },
  confirmations: 12,
  peers: ['/ip4/127.0.0.1/tcp/1'],
  discovery: ['mdns'],
  bootstrap: ['/ip4/127.0.0.1/tcp/2'],
  modelHosts: ['http://127.0.0.1:4'],
  tokens: ['apple', 'pear'],
  keepPrefixes: false,
  ceilings: { perDay: 5 },
  warm: { total: 9 },
  rules: [],
  setOff: 'friends',
  prefer: 'fast',
  friends: ['12D3KooWA'],
  seed: true,
  lend: { when: ['idle'] },
  shared: ['00'],
  seedRate: 1,
  seedPerDay: 2,
  relays: ['/p2p-circuit'],
  relay: true,
  stun: ['stun.test:3478'],
  upnp: true,
  resident: '1m',
}

describe('effectiveSettings', () => {
  it('default: says of each setting whether anybody has set it', async () => {
    const origin = join(home, 'config.json')
    const set = await shown(ALL)
    const unset = await shown({})
    const told = { ...ALL, tokens: '2 set', chain: { ...ALL.chain, rpc: ['127.0.0.1:1'] } }
    for (const [name, value] of Object.entries(told)) {
      expect(set[name]).toEqual({ value, origin })
      expect(unset[name]?.origin).toBe('default')
    }
    expect(unset).toMatchObject({
      model: { value: 'acorn' },
      keepPrefixes: { value: true },
      resident: { value: '10m' },
      tokens: { value: [] },
      confirmations: { value: null },
    })
  })

  it('behaviour: how deep a deposit has to be follows from the chain, unless somebody says', async () => {
    const blocks = async (settings: Settings) => (await shown(settings)).confirmations
    const { chain } = ALL
    expect(await blocks({ chain })).toEqual({ value: 3, origin: 'default' })
    expect(await blocks({ chain: { ...chain, chainId: 31_337 } })).toMatchObject({ value: 0 })
    expect(await blocks({ chain, confirmations: 12 })).toMatchObject({ value: 12 })
  })

  it('behaviour: names every variable that the program reads', async () => {
    const read = new Set<string>()
    const env = new Proxy<NodeJS.ProcessEnv>(
      {},
      {
        get: (_, name) => {
          read.add(String(name))
          return undefined
        },
      },
    )
    const [environment] = [readEnvironment(env), foreignFolders(env)]
    pathsOf(environment, env)
    expect(read.size).toBeGreaterThan(12)
    for (const name of [...read, 'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY']) {
      const all = await effectiveSettings({}, { XDG_CONFIG_HOME: home, [name]: home })
      expect([name, all.map(({ origin }) => origin)]).toEqual([
        name,
        expect.arrayContaining([name]),
      ])
    }
  })

  it('behaviour: a variable is before the settings file, and no secret is shown', async () => {
    const found = await shown(ALL, {
      FREEHOLD_NOHISTORY: '1',
      FREEHOLD_NORESIDENT: '1',
      FREEHOLD_API_TOKEN: 'plum-secret',
      HF_TOKEN: 'hub-secret',
      FREEHOLD_PASSPHRASE: 'vault-secret',
      HTTPS_PROXY: 'http://me:proxy-secret@127.0.0.1:2',
    })
    expect(found).toMatchObject({
      keepPrefixes: { value: false, origin: 'FREEHOLD_NOHISTORY' },
      'history of chats': { value: false, origin: 'FREEHOLD_NOHISTORY' },
      resident: { value: false, origin: 'FREEHOLD_NORESIDENT' },
      tokens: { value: '3 set', origin: `FREEHOLD_API_TOKEN, ${join(home, 'config.json')}` },
      'https proxy': { value: 'http://127.0.0.1:2', origin: 'HTTPS_PROXY' },
    })
    expect(JSON.stringify(found)).not.toMatch(/secret|apple|pear/)
  })

  it('behaviour: what is no setting, or not what it must be, is refused by name', async () => {
    const wrong: [object, RegExp][] = [
      [{ keepPrefix: false }, /"keepPrefix" in .+ is no setting\. There are .+keepPrefixes/],
      [{ tokens: 'apple' }, /"tokens" in .+ cannot be "apple"\. It is a list of tokens/],
      [{ keepPrefixes: 'no' }, /"keepPrefixes".+true or false/],
      [{ confirmations: -1 }, /"confirmations".+a whole number of blocks/],
      [{ model: '' }, /"model".+name of a model/],
      [{ resident: 5 }, /"resident".+a duration or false/],
    ]
    for (const [settings, message] of wrong) {
      await expect(shown(settings)).rejects.toMatchObject({
        name: 'UsageError',
        message: expect.stringMatching(message),
      })
    }
  })
})
