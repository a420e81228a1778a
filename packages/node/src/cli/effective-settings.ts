import { confirmationsOf } from '@freehold/core/clearing/confirmations'
import { nodeName } from '@freehold/core/clearing/rpc-nodes'
import { DEFAULT_SEED_PER_DAY, DEFAULT_SEED_RATE } from '@freehold/core/device/seed-limits'
import {
  DEFAULT_WAYS,
  type Environment,
  type Paths,
  pathsOf,
  readEnvironment,
  readSettings,
  rulesOf,
  type Settings,
} from '../config.ts'
import { DEFAULT_MODEL } from '../models/acorn.ts'
import { foreignFolders } from '../models/foreign-stores.ts'
import { DEFAULT_ENDPOINT } from '../models/hub.ts'
import { DEFAULT_REGISTRY } from '../models/ollama-registry.ts'
import { DEFAULT_IDLE } from './background.ts'
import type { GlobalOptions } from './context.ts'

/** One setting as it is now, and what says so. */
export interface EffectiveSetting {
  name: string
  value: unknown
  /** A flag, a variable, the path of the settings file, or `default`. */
  origin: string
}

interface Given {
  env: NodeJS.ProcessEnv
  environment: Environment
  paths: Paths
  file: Settings
  options: Pick<GlobalOptions, 'chain' | 'models'>
}

type Row = (given: Given) => EffectiveSetting

/** Which folder each path lies in, by the variable that moves it; FREEHOLD_HOME moves all. */
const FOLDERS: Readonly<Record<keyof Paths, string>> = {
  config: 'XDG_CONFIG_HOME',
  catalogue: 'XDG_CONFIG_HOME',
  vault: 'XDG_DATA_HOME',
  database: 'XDG_DATA_HOME',
  models: 'XDG_DATA_HOME',
  hashes: 'XDG_DATA_HOME',
  headers: 'XDG_DATA_HOME',
  history: 'XDG_STATE_HOME',
  responses: 'XDG_DATA_HOME',
  prefixes: 'XDG_STATE_HOME',
  state: 'XDG_STATE_HOME',
  cache: 'XDG_CACHE_HOME',
}

/** What is said by the settings file, and by a flag or a variable before it. */
const IN_FILE: Readonly<Record<keyof Settings, Row>> = {
  model: fromFile('model', DEFAULT_MODEL),
  chain: (given) => {
    const { options, file, paths } = given
    const chain = options.chain ?? file.chain
    if (chain === undefined) return { name: 'chain', value: null, origin: 'default' }
    // Of a node its host alone: keys stand in paths, queries and before the host.
    const value = { ...chain, rpc: [chain.rpc].flat().map(nodeName) }
    return { name: 'chain', value, origin: options.chain ? '--chain' : paths.config }
  },
  confirmations: ({ options, file, paths }) => {
    const chain = options.chain ?? file.chain
    const said = file.confirmations ?? chain?.confirmations
    const value = chain === undefined ? said : confirmationsOf({ ...chain, confirmations: said })
    const origin = said === undefined ? 'default' : paths.config
    return { name: 'confirmations', value: value ?? null, origin }
  },
  peers: fromFile('peers', []),
  discovery: fromFile('discovery', DEFAULT_WAYS),
  bootstrap: fromFile('bootstrap', []),
  relays: fromFile('relays', []),
  modelHosts: fromFile('modelHosts', [DEFAULT_ENDPOINT]),
  // Never what they are: what is printed ends in logs and pictures.
  tokens: ({ env, environment: { apiToken }, file: { tokens = [] }, paths }) => {
    const count = tokens.length + (apiToken === undefined ? 0 : 1)
    const origins = [
      ...(apiToken === undefined ? [] : [variable(env, 'FREEHOLD_API_TOKEN') ?? '']),
      ...(tokens.length > 0 ? [paths.config] : []),
    ]
    const value = count === 0 ? [] : `${count} set`
    return { name: 'tokens', value, origin: origins.join(', ') || 'default' }
  },
  keepPrefixes: (given) => {
    if (given.environment.hasHistory) return fromFile('keepPrefixes', true)(given)
    return { name: 'keepPrefixes', value: false, origin: 'FREEHOLD_NOHISTORY' }
  },
  rules: (given) => ({
    ...fromFile('rules', [])(given),
    value: rulesOf(given.file).map(({ why }) => why),
  }),
  ceilings: fromFile('ceilings', null),
  warm: fromFile('warm', null),
  setOff: fromFile('setOff', 'pairs'),
  prefer: fromFile('prefer', 'balanced'),
  friends: fromFile('friends', []),
  seed: fromFile('seed', false),
  shared: fromFile('shared', []),
  lend: fromFile('lend', {}),
  seedRate: fromFile('seedRate', DEFAULT_SEED_RATE),
  seedPerDay: fromFile('seedPerDay', DEFAULT_SEED_PER_DAY),
  relay: fromFile('relay', false),
  stun: fromFile('stun', []),
  upnp: fromFile('upnp', false),
  resident: (given) => {
    if (given.environment.mayStartResident) return fromFile('resident', DEFAULT_IDLE)(given)
    return { name: 'resident', value: false, origin: 'FREEHOLD_NORESIDENT' }
  },
}

/** What variables alone say. */
const IN_ENVIRONMENT: Readonly<Record<keyof Environment, readonly Row[]>> = {
  // Of folders, of tokens and of `resident` it is said above.
  home: [],
  models: [],
  apiToken: [],
  mayStartResident: [],
  hasHistory: [
    ({ env, environment }) => ({
      name: 'history of chats',
      value: environment.hasHistory,
      origin: variable(env, 'FREEHOLD_NOHISTORY') ?? 'default',
    }),
  ],
  passphrase: [secret('passphrase', 'FREEHOLD_PASSPHRASE', 'asked for')],
  hub: [
    fromVariable('hub', 'HF_ENDPOINT', DEFAULT_ENDPOINT),
    secret('hub token', 'HF_TOKEN', 'none'),
    fromVariable('ollama registry', 'FREEHOLD_OLLAMA_REGISTRY', DEFAULT_REGISTRY),
  ],
  log: [
    ({ env, environment }) => ({
      name: 'log',
      value: environment.log,
      origin: variable(env, 'FREEHOLD_LOG') ?? 'default',
    }),
  ],
}

const FOREIGN_VARIABLES = {
  ollama: ['OLLAMA_MODELS'],
  'lm-studio': [],
  'hugging-face': ['HF_HUB_CACHE', 'HF_HOME', 'XDG_CACHE_HOME'],
} as const satisfies Record<keyof ReturnType<typeof foreignFolders>, readonly string[]>

const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const

/** Every setting of this device: flag before variable before settings file before default. @throws UsageError */
export async function effectiveSettings(
  options: Given['options'] = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<EffectiveSetting[]> {
  const environment = readEnvironment(env)
  const models = options.models ?? environment.models
  const paths = pathsOf({ ...environment, models }, env)
  const given: Given = { env, environment, paths, options, file: await readSettings(paths.config) }
  const rows = [...Object.values(IN_FILE), ...Object.values(IN_ENVIRONMENT).flat()]
  return [...folders(given), ...rows.map((row) => row(given)), ...others(given)]
}

function folders({ env, paths, options }: Given): EffectiveSetting[] {
  return Object.entries(paths).map(([key, value]) => {
    const moved = variable(env, 'FREEHOLD_HOME', FOLDERS[key as keyof Paths])
    const own = options.models === undefined ? variable(env, 'FREEHOLD_MODELS') : '--models'
    const origin = (key === 'models' ? own : undefined) ?? moved ?? 'default'
    return { name: key === 'config' ? 'settings file' : key, value, origin }
  })
}

/** What other programs' variables say to this one too. */
function others({ env }: Given): EffectiveSetting[] {
  const stores = Object.entries(foreignFolders(env)).map(([program, value]) => ({
    name: `models of ${program}`,
    value,
    origin:
      variable(env, ...FOREIGN_VARIABLES[program as keyof typeof FOREIGN_VARIABLES]) ?? 'default',
  }))
  const proxies = PROXIES.map((name) => {
    const says = variable(env, name.toLowerCase(), name)
    const value = says === undefined ? null : (env[says] ?? '').replace(/\/\/[^/@]*@/, '//')
    return { name: name.toLowerCase().replace('_', ' '), value, origin: says ?? 'default' }
  })
  return [...stores, ...proxies]
}

function fromFile(key: keyof Settings, otherwise: unknown): Row {
  return ({ file, paths }) => ({
    name: key,
    value: file[key] ?? otherwise,
    origin: file[key] === undefined ? 'default' : paths.config,
  })
}

function fromVariable(name: string, from: string, otherwise: unknown): Row {
  return ({ env }) => ({
    name,
    value: env[from] || otherwise,
    origin: variable(env, from) ?? 'default',
  })
}

/** Whether it is set, never its value. */
function secret(name: string, from: string, otherwise: string): Row {
  return (given) => {
    const { origin } = fromVariable(name, from, null)(given)
    return { name, value: origin === 'default' ? otherwise : 'set', origin }
  }
}

/** The first of these that is set. */
function variable(env: NodeJS.ProcessEnv, ...names: readonly string[]): string | undefined {
  return names.find((name) => env[name])
}
