import { Command } from 'commander'
import { pathsOf, readEnvironment, readSettings } from '../../config.ts'
import { DEFAULT_ENDPOINT } from '../../models/hub.ts'
import { DEFAULT_REGISTRY, REGISTRY_SETTING } from '../../models/ollama-registry.ts'
import { DEFAULT_IDLE } from '../background.ts'
import { type GlobalOptions, withGlobals } from '../context.ts'
import { print, printJson, table } from '../output.ts'

/** One setting as it is now, and what says so. */
interface Setting {
  name: string
  value: unknown
  /** A flag, a variable, the path of the settings file, or `default`. */
  origin: string
}

export function configCommand(command: Command): void {
  command.addCommand(
    withGlobals(
      new Command('show').description('show every setting and where it comes from').action(show),
    ),
  )
}

async function show(options: GlobalOptions): Promise<void> {
  const settings = await effectiveSettings(options)
  if (options.json) return printJson(settings)
  const rows = settings.map(({ name, value, origin }) => [name, words(value), origin])
  print(table(['NAME', 'VALUE', 'FROM'], rows))
}

/** Flag before variable before settings file before default. */
async function effectiveSettings({ chain }: GlobalOptions): Promise<Setting[]> {
  const { env } = process
  const environment = readEnvironment(env)
  const paths = pathsOf(environment, env)
  const file = await readSettings(paths.config)
  const data = variable('FREEHOLD_HOME') ?? variable('XDG_DATA_HOME') ?? 'default'
  const config = variable('FREEHOLD_HOME') ?? variable('XDG_CONFIG_HOME') ?? 'default'
  const state = variable('FREEHOLD_HOME') ?? variable('XDG_STATE_HOME') ?? 'default'
  const { config: configPath, ...others } = paths
  const own: Record<string, string | undefined> = {
    models: variable('FREEHOLD_MODELS'),
    catalogue: config,
    history: state,
    state,
    cache: variable('FREEHOLD_HOME') ?? variable('XDG_CACHE_HOME') ?? 'default',
  }
  return [
    { name: 'settings file', value: configPath, origin: config },
    ...Object.entries(others).map(([name, value]) => ({ name, value, origin: own[name] ?? data })),
    // Never its value: what is printed ends in logs and pictures.
    {
      name: 'passphrase',
      value: environment.passphrase === undefined ? 'asked for' : 'set',
      origin: variable('FREEHOLD_PASSPHRASE') ?? 'default',
    },
    {
      name: 'resident',
      value: environment.mayStartResident ? (file.resident ?? DEFAULT_IDLE) : false,
      origin:
        variable('FREEHOLD_NORESIDENT') ?? (file.resident === undefined ? 'default' : configPath),
    },
    {
      name: 'hub',
      value: environment.hub.endpoint ?? DEFAULT_ENDPOINT,
      origin: variable('HF_ENDPOINT') ?? 'default',
    },
    {
      name: 'ollama registry',
      value: environment.hub.registry ?? DEFAULT_REGISTRY,
      origin: variable(REGISTRY_SETTING) ?? 'default',
    },
    { name: 'log', value: environment.log, origin: variable('FREEHOLD_LOG') ?? 'default' },
    {
      name: 'chain',
      value: chain ?? file.chain ?? null,
      origin: chain ? '--chain' : file.chain ? configPath : 'default',
    },
    {
      name: 'peers',
      value: file.peers ?? [],
      origin: file.peers ? configPath : 'default',
    },
    {
      name: 'ceilings',
      value: file.ceilings ?? null,
      origin: file.ceilings ? configPath : 'default',
    },
    {
      name: 'warm',
      value: file.warm ?? null,
      origin: file.warm ? configPath : 'default',
    },
  ]
}

function variable(name: string): string | undefined {
  return process.env[name] ? name : undefined
}

function words(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none'
  return JSON.stringify(value)
}
