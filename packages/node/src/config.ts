import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Ceilings } from '@freehold/core/clearing/budget'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { WarmLimits } from '@freehold/core/device/warm-channels'
import { UsageError } from '@freehold/core/errors'
import type { Address } from 'viem'

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

/** The settings file; everything in it may be absent. */
export interface Settings {
  chain?: ChainSettings
  /** Addresses of devices to ask for offers. */
  peers?: string[]
  /** Who asks over HTTP must show one of these. None: everybody on this machine may ask. */
  tokens?: string[]
  /** Whether a model's last texts are kept, as computed, while it is not loaded. @default true */
  keepPrefixes?: boolean
  /**
   * Most that one borrowed answer, and those of 24 hours, may cost in token units; what is left out
   * has no ceiling. Without it the owner has not said, and is asked first.
   */
  ceilings?: { perRequest?: number; perDay?: number }
  /**
   * What may wait in channels that this device opens by itself, token units, for lenders that are used
   * and for those at `lenders` (addresses). Without it none is opened.
   */
  warm?: { total: number; perLender?: number; channels?: number; lenders?: string[] }
  /** How long the process in the background waits for a question, such as `30m`; false: there is none. */
  resident?: string | false
}

/** @throws UsageError when the file is no JSON object */
export async function readSettings(path: string): Promise<Settings> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    const settings: unknown = JSON.parse(text)
    if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) {
      return settings as Settings
    }
  } catch {}
  throw new UsageError({ what: `${path} is no JSON object`, next: 'Correct it or remove it' })
}

/**
 * What the settings let borrowed answers cost; null: they do not say.
 * @throws UsageError when it is no whole number
 */
export function ceilingsOf({ ceilings }: Settings): Ceilings | null {
  if (ceilings === undefined) return null
  const units = (name: 'perRequest' | 'perDay'): bigint | null => {
    const value = ceilings[name]
    if (value === undefined) return null
    if (Number.isSafeInteger(value) && value >= 0) return BigInt(value)
    throw new UsageError({
      what: `the setting ceilings.${name} is ${JSON.stringify(value)}`,
      next: 'It is a whole number of token units; freehold wallet limits sets it',
    })
  }
  return { perRequest: units('perRequest'), perDay: units('perDay') }
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

/** A chain given as `RPC,CHAIN-ID,HOUSE,TOKEN` on the command line. @throws UsageError */
export function parseChain(text: string): ChainSettings {
  const [rpc, chainId, house, token] = text.split(',')
  const isAddress = (value: string | undefined) => /^0x[0-9a-fA-F]{40}$/.test(value ?? '')
  if (!rpc || !URL.canParse(rpc) || !Number(chainId) || !isAddress(house) || !isAddress(token)) {
    throw new UsageError({
      what: `"${text}" names no chain`,
      next: 'It is RPC-URL,CHAIN-ID,HOUSE-ADDRESS,TOKEN-ADDRESS',
    })
  }
  return { rpc, chainId: Number(chainId), house: house as Address, token: token as Address }
}
