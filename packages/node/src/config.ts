import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Ceilings } from '@freehold/core/clearing/budget'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { SetOffReach } from '@freehold/core/device/parts'
import type { WarmLimits } from '@freehold/core/device/warm-channels'
import { UsageError } from '@freehold/core/errors'
import { type Rule, readRules } from '@freehold/core/routing/rules'
import { PREFERENCES, type Preference } from '@freehold/core/routing/score-offer'
import type { Address } from 'viem'
import type { DiscoveryWays } from './device/open-device.ts'
import type { NodeReachInit } from './mesh/open-mesh.ts'

/** Every environment variable and path of the program, in one place. */
export interface Environment {
  /** FREEHOLD_HOME: moves everything a device keeps into one folder. */
  home: string | undefined
  /** FREEHOLD_MODELS: keeps models in another folder. */
  models: string | undefined
  /** FREEHOLD_PASSPHRASE: opens the vault where nobody can be asked. */
  passphrase: string | undefined
  /** FREEHOLD_NOHISTORY: what is typed in chats is not kept. */
  hasHistory: boolean
  /** FREEHOLD_NORESIDENT: commands start no process in the background. */
  mayStartResident: boolean
  /** HF_ENDPOINT and HF_TOKEN, FREEHOLD_OLLAMA_REGISTRY: where `pull` asks, and as whom. */
  hub: Record<'endpoint' | 'token' | 'registry', string | undefined>
  /** FREEHOLD_API_TOKEN: who asks over HTTP must show it, besides those of the settings. */
  apiToken: string | undefined
  /** FREEHOLD_LOG: `debug` shows what the parts do, on stderr. */
  log: 'quiet' | 'debug'
}

export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  return {
    home: env.FREEHOLD_HOME || undefined,
    models: env.FREEHOLD_MODELS || undefined,
    passphrase: env.FREEHOLD_PASSPHRASE || undefined,
    hasHistory: !env.FREEHOLD_NOHISTORY,
    mayStartResident: !env.FREEHOLD_NORESIDENT,
    hub: {
      endpoint: env.HF_ENDPOINT || undefined,
      token: env.HF_TOKEN || undefined,
      registry: env.FREEHOLD_OLLAMA_REGISTRY || undefined,
    },
    apiToken: env.FREEHOLD_API_TOKEN || undefined,
    log: env.FREEHOLD_LOG === 'debug' ? 'debug' : 'quiet',
  }
}

/** Where a device keeps its things. */
export interface Paths {
  config: string
  /** A person's own list of models, instead of the built-in one. */
  catalogue: string
  vault: string
  database: string
  models: string
  /** What model files are, so that they are hashed once. */
  hashes: string
  /** Headers of models that are not here. */
  headers: string
  /** What was typed in chats. */
  history: string
  /** Responses that clients of the HTTP interface may go on from; apart from what money depends on. */
  responses: string
  /** Texts of models that are not loaded, as computed. */
  prefixes: string
  /** Which process serves. */
  state: string
  /** The program itself, compiled: what may be thrown away. */
  cache: string
}

/** FREEHOLD_HOME, else the XDG base directories (and their like on macOS and Windows). */
export function pathsOf(
  { home, models }: Pick<Environment, 'home'> & Partial<Pick<Environment, 'models'>>,
  env = process.env,
): Paths {
  const data = home ?? dataFolder(env)
  const config = home ?? configFolder(env)
  const state = home ?? stateFolder(env)
  return {
    config: join(config, 'config.json'),
    catalogue: join(config, 'catalogue.json'),
    vault: join(data, 'vault.json'),
    database: join(data, 'device.db'),
    models: models ?? join(data, 'models'),
    hashes: join(data, 'hashes'),
    headers: join(data, 'headers'),
    history: join(state, 'history'),
    responses: join(data, 'responses.db'),
    prefixes: join(state, 'prefixes'),
    state,
    cache: home === undefined ? cacheFolder(env) : join(home, 'cache'),
  }
}

function dataFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'freehold')
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/freehold')
  return join(env.XDG_DATA_HOME || join(homedir(), '.local/share'), 'freehold')
}

function stateFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform !== 'linux') return dataFolder(env)
  return join(env.XDG_STATE_HOME || join(homedir(), '.local/state'), 'freehold')
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform === 'win32') return join(dataFolder(env), 'cache')
  if (process.platform === 'darwin') return join(homedir(), 'Library/Caches/freehold')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'freehold')
}

function configFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform !== 'linux') return dataFolder(env)
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'freehold')
}

/** A token that rules can tell from others. */
export interface NamedToken {
  name: string
  token: string
}

/** A friend's device, and what the person calls it. */
export interface NamedFriend {
  name: string
  device: string
}

/** What rules call the token of the environment. */
const ENVIRONMENT_TOKEN = 'FREEHOLD_API_TOKEN'

/** The settings file; everything in it may be absent. */
export interface Settings {
  /** What `run` asks where no model is named. @default the bundled one */
  model?: string
  chain?: ChainSettings
  /** How many blocks deep a deposit is certain. @default 3, and 0 on a development chain */
  confirmations?: number
  /** Addresses of devices to ask for offers. */
  peers?: string[]
  /** Ways to find others: `dht`, `gossip`, `mdns`. @default dht and gossip */
  discovery?: string[]
  /** Addresses of devices by which this one enters the network, besides those it has met. */
  bootstrap?: string[]
  /** Addresses of devices that relay for those that cannot be dialled. */
  relays?: string[]
  /** Where `pull` asks for models, one after the other. @default the Hugging Face hub */
  modelHosts?: string[]
  /** Who asks over HTTP must show one of these. None: everybody on this machine may ask. Rules know them by name. */
  tokens?: (string | NamedToken)[]
  /** What may travel how far: docs/privacy.md. Read by `rulesOf`, which leaves nothing out. */
  rules?: unknown
  /** Whether a model's last texts are kept, as computed, while it is not loaded. @default true */
  keepPrefixes?: boolean
  /**
   * Most that one borrowed answer, those of 24 hours, and a million tokens of whatever kind may cost in
   * token units; what is left out has no ceiling. Without it the owner has not said, and is asked first.
   */
  ceilings?: { perRequest?: number; perDay?: number; perMillion?: number }
  /**
   * What may wait in channels that this device opens by itself, token units, for lenders that are used
   * and for those at `lenders` (addresses). Without it none is opened.
   */
  warm?: { total: number; perLender?: number; channels?: number; lenders?: string[] }
  /**
   * With whom debts are set off: `off`, `pairs` (who owes this device while it owes them) or `friends`
   * (also rings of three through friends). @default pairs
   */
  setOff?: SetOffReach
  /** What lenders are chosen for: docs/choosing.md. @default balanced */
  prefer?: Preference
  /** Devices of friends, by their peer ids (`12D3Koo…`), with or without a name; freehold pair adds to them. */
  friends?: (string | NamedFriend)[]
  /** Whether it relays for others once it is known to be reachable; `always`: without waiting. @default false */
  relay?: boolean | 'always'
  /** STUN servers (`HOST:PORT`) besides the relays. */
  stun?: string[]
  /** Whether the router is asked for a port (UPnP, NAT-PMP). @default false */
  upnp?: boolean
  /** How long the process in the background waits for a question, such as `30m`; false: there is none. */
  resident?: string | false
  /** Whether `lend` hands shared models to whoever asks for them by digest. @default false */
  seed?: boolean
  /** Models that may be handed out, by their ids; `freehold share` writes it. */
  shared?: string[]
  /** Bytes a second, and bytes a day, that seeding may send. @default 4 MiB, 20 GiB */
  seedRate?: number
  seedPerDay?: number
  /** When `lend` lends, besides what its options say. */
  lend?: LendSettings
}

/** When a device lends; what is left out makes no condition. */
export interface LendSettings {
  /** `idle`: while the owner asks nothing and other programs do little; `mains`: on mains power. */
  when?: ('idle' | 'mains')[]
  /** How long the owner has to have asked nothing, such as `5m`. */
  idleAfter?: string
  /** Such as `22:00-07:00`. */
  hours?: string
  /** °C. */
  maxTemperature?: number
}

/** What each setting looks like. A misspelt one may be the one that keeps something here: none is passed over. */
const FORMS: Readonly<Record<keyof Settings, [is: string, holds: (value: unknown) => boolean]>> = {
  model: ['the name of a model', (value) => typeof value === 'string' && value !== ''],
  chain: ['an object', isObject],
  confirmations: ['a whole number of blocks', (value) => value === 0 || isCount(value)],
  peers: ['a list of addresses', areTexts],
  discovery: ['a list of dht, gossip and mdns', areTexts],
  bootstrap: ['a list of addresses', areTexts],
  relays: ['a list of addresses', areTexts],
  modelHosts: ['a list of URLs', areTexts],
  tokens: ['a list of tokens', Array.isArray],
  rules: ['a list of rules', Array.isArray],
  setOff: ['off, pairs or friends', (value) => typeof value === 'string'],
  prefer: [PREFERENCES.join(', '), (value) => PREFERENCES.includes(value as Preference)],
  friends: ['a list of peer ids', Array.isArray],
  keepPrefixes: ['true or false', (value) => typeof value === 'boolean'],
  ceilings: ['an object', isObject],
  seed: ['true or false', (value) => typeof value === 'boolean'],
  shared: ['a list of model ids', areTexts],
  seedRate: ['a whole number of bytes', isCount],
  seedPerDay: ['a whole number of bytes', isCount],
  warm: ['an object', isObject],
  lend: ['an object', isObject],
  relay: ['true, false or always', (value) => typeof value === 'boolean' || value === 'always'],
  stun: ['a list of HOST:PORT', areTexts],
  upnp: ['true or false', (value) => typeof value === 'boolean'],
  resident: ['a duration or false', (value) => typeof value === 'string' || value === false],
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** @throws UsageError when the file is no JSON object, or says what no setting is */
export async function readSettings(path: string): Promise<Settings> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  const settings = parseJson(text)
  if (!isObject(settings)) {
    throw new UsageError({ what: `${path} is no JSON object`, next: 'Correct it or remove it' })
  }
  for (const [name, value] of Object.entries(settings)) {
    const form = Object.hasOwn(FORMS, name) ? FORMS[name as keyof Settings] : undefined
    if (form === undefined) {
      const next = `There are ${Object.keys(FORMS).join(', ')}`
      throw new UsageError({ what: `"${name}" in ${path} is no setting`, next })
    }
    const [is, holds] = form
    if (!holds(value)) {
      const what = `"${name}" in ${path} cannot be ${JSON.stringify(value)}`
      throw new UsageError({ what, next: `It is ${is}` })
    }
  }
  return settings
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The tokens of the settings and of the environment. @throws UsageError for one that makes no sense */
export function tokensOf(
  { tokens = [] }: Settings,
  { apiToken }: Partial<Pick<Environment, 'apiToken'>>,
): (string | NamedToken)[] {
  if (!Array.isArray(tokens) || !tokens.every(isToken)) {
    throw new UsageError({
      what: 'the setting tokens makes no sense',
      next: 'It is a list of texts, or of {"name": …, "token": …} for those that rules name',
    })
  }
  const all =
    apiToken === undefined ? tokens : [...tokens, { name: ENVIRONMENT_TOKEN, token: apiToken }]
  const texts = all.map((token) => (typeof token === 'string' ? token : token.token))
  if (new Set(texts).size === texts.length) return all
  // Whoever shows it would be two.
  throw new UsageError({ what: 'two tokens are the same', next: 'Give each program its own' })
}

function isToken(token: unknown): token is string | NamedToken {
  const isText = (value: unknown) => typeof value === 'string' && value !== ''
  if (typeof token !== 'object' || token === null) return isText(token)
  const { name, token: text, ...more } = token as Record<string, unknown>
  return isText(name) && isText(text) && Object.keys(more).length === 0
}

/** The owner's rules. @throws UsageError for one that is not understood */
export function rulesOf(settings: Settings): Rule[] {
  const named = tokensOf(settings, {}).filter((token) => typeof token !== 'string')
  return readRules(settings.rules, { keys: [...named.map(({ name }) => name), ENVIRONMENT_TOKEN] })
}

/**
 * What the settings let borrowed answers cost; null: they do not say.
 * @throws UsageError when it is no whole number
 */
export function ceilingsOf({ ceilings }: Settings): Ceilings | null {
  if (ceilings === undefined) return null
  const units = (name: 'perRequest' | 'perDay' | 'perMillion'): bigint | null => {
    const value = ceilings[name]
    if (value === undefined) return null
    if (Number.isSafeInteger(value) && value >= 0) return BigInt(value)
    throw new UsageError({
      what: `the setting ceilings.${name} is ${JSON.stringify(value)}`,
      next: 'It is a whole number of token units; freehold wallet limits sets it',
    })
  }
  return {
    perRequest: units('perRequest'),
    perDay: units('perDay'),
    perMillion: units('perMillion'),
  }
}

/** Ways that are on where nothing is said. Not mDNS: it tells a whole café who is there. */
export const DEFAULT_WAYS = ['dht', 'gossip']
const WAYS: readonly string[] = [...DEFAULT_WAYS, 'mdns']

/** How this device finds others. @throws UsageError for what is no way, and no address */
export function discoveryOf({ discovery = DEFAULT_WAYS, bootstrap = [] }: Settings): {
  discovery: DiscoveryWays
  bootstrap: string[]
} {
  const strange = discovery.find((way) => !WAYS.includes(way))
  if (strange !== undefined) {
    throw new UsageError({
      what: `the setting discovery has ${JSON.stringify(strange)}`,
      next: `It is a list of ${WAYS.join(', ')}, or empty`,
    })
  }
  const lost = bootstrap.find((address) => !ADDRESS.test(address))
  if (lost !== undefined) {
    throw new UsageError({
      what: `the setting bootstrap has ${JSON.stringify(lost)}`,
      next: 'An address looks like /ip4/192.0.2.1/tcp/4215/p2p/12D3Koo…',
    })
  }
  const ways = Object.fromEntries(WAYS.map((way) => [way, discovery.includes(way)]))
  return { discovery: ways, bootstrap }
}

const ADDRESS = /^\/[^\s/]+\/[^\s]+$/

/** Where models are pulled from: what the environment says, else the settings. @throws UsageError */
export function hubOf(
  { modelHosts }: Settings,
  { hub }: Pick<Environment, 'hub'>,
): Environment['hub'] & { endpoints: string[] | undefined } {
  const strange = modelHosts?.find((host) => !/^https?:$/.test(URL.parse(host)?.protocol ?? ''))
  if (strange === undefined) return { ...hub, endpoints: modelHosts }
  throw new UsageError({
    what: `the setting modelHosts has ${JSON.stringify(strange)}`,
    next: 'It is a list of URLs such as https://huggingface.co, or empty',
  })
}

const REACHES: readonly unknown[] = ['off', 'pairs', 'friends'] satisfies SetOffReach[]
const PEER_ID = /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/

/** With whom the settings let debts be set off, and who is a friend. @throws UsageError */
export function setOffOf({ setOff = 'pairs', friends = [] }: Settings): {
  setOff: SetOffReach
  friends: string[]
} {
  if (!REACHES.includes(setOff)) {
    throw new UsageError({
      what: `the setting setOff is ${JSON.stringify(setOff)}`,
      next: `It is one of ${REACHES.join(', ')}`,
    })
  }
  const strange: unknown = Array.isArray(friends)
    ? friends.find((friend) => friendOf(friend) === null)
    : friends
  if (strange !== undefined) {
    throw new UsageError({
      what: `the setting friends has ${JSON.stringify(strange)}`,
      next: 'It is a list of peer ids (12D3Koo…); freehold wallet show names a device’s own',
    })
  }
  return { setOff, friends: friendsOf({ friends }).map(({ device }) => device) }
}

/** Friends' devices, each with its name or the end of its peer id. */
export function friendsOf({ friends = [] }: Settings): NamedFriend[] {
  return friends.map(friendOf).filter((friend) => friend !== null)
}

function friendOf(friend: unknown): NamedFriend | null {
  const { name, device } =
    typeof friend === 'string'
      ? { name: friend.slice(-6), device: friend }
      : ((friend ?? {}) as Partial<NamedFriend>)
  return typeof name === 'string' && typeof device === 'string' && PEER_ID.test(device)
    ? { name, device }
    : null
}

/** Channels of one's own accord are at most so many, and a lender's share at least a quarter. */
const WARM_CHANNELS = 8
const WARM_SHARE = 4

/** What the settings let this device put into channels. @throws UsageError when it is no whole number */
export function warmLimitsOf({ warm }: Settings): WarmLimits | null {
  if (warm === undefined) return null
  const { total, lenders = [], channels = WARM_CHANNELS } = warm
  const { perLender = Math.ceil(total / WARM_SHARE) } = warm
  for (const [name, value] of Object.entries({ total, perLender, channels })) {
    if (Number.isSafeInteger(value) && value >= 0) continue
    throw new UsageError({
      what: `the setting warm.${name} is ${JSON.stringify(value)}`,
      next: 'It is a whole number; freehold wallet limits sets it',
    })
  }
  return { total: BigInt(total), perLender: BigInt(perLender), channels, lenders }
}

/**
 * How the settings let this device be reached. @returns undefined when they say nothing of it: it then
 * dials plain addresses only @throws UsageError for a relay that is no address
 */
export function reachOf({ relays, relay, stun, upnp }: Settings): NodeReachInit | undefined {
  if (relays === undefined && !relay && stun === undefined && !upnp) return undefined
  const strange = relays?.find((one) => one !== '/p2p-circuit' && !RELAY.test(one))
  if (strange !== undefined) {
    throw new UsageError({
      what: `the setting relays has ${JSON.stringify(strange)}`,
      next: 'A relay looks like /ip4/192.0.2.1/tcp/4215/p2p/12D3Koo…; /p2p-circuit means any',
    })
  }
  return { relays, relay, stun, upnp }
}

const RELAY = /^\/(ip4|ip6|dns|dns4|dns6)\/.+\/p2p\/12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/

/** A chain given as `RPC[ RPC…],CHAIN-ID,HOUSE,TOKEN` on the command line. @throws UsageError */
export function parseChain(text: string): ChainSettings {
  const [rpcs = '', chainId, house, token] = text.split(',')
  const rpc = rpcs.split(' ').filter(Boolean)
  const areUrls = rpc.length > 0 && rpc.every((url) => URL.canParse(url))
  const isAddress = (value: string | undefined) => /^0x[0-9a-fA-F]{40}$/.test(value ?? '')
  if (!areUrls || !Number(chainId) || !isAddress(house) || !isAddress(token)) {
    throw new UsageError({
      what: `"${text}" names no chain`,
      next: 'It is RPC-URL,CHAIN-ID,HOUSE-ADDRESS,TOKEN-ADDRESS; several URLs with blanks between',
    })
  }
  return { rpc, chainId: Number(chainId), house: house as Address, token: token as Address }
}
