import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import type { Device } from '@freehold/core/device/device'
import { IdentityError } from '@freehold/core/errors'
import type { Log } from '@freehold/core/platform'
import type { Command } from 'commander'
import {
  ceilingsOf,
  discoveryOf,
  type Paths,
  parseChain,
  pathsOf,
  reachOf,
  readEnvironment,
  readSettings,
  rulesOf,
  type Settings,
  setOffOf,
  warmLimitsOf,
} from '../config.ts'
import { say } from './output.ts'

/** Options of commands that need this device's models alone. */
export interface ModelOptions {
  json?: boolean
  models?: string
}

/** Options that every other command has. */
export interface GlobalOptions extends ModelOptions {
  chain?: ChainSettings
}

export function withModelOptions(command: Command): Command {
  return command
    .option('--json', 'print machine-readable data on stdout')
    .option('--models <folder>', 'keep and find models there, instead of FREEHOLD_MODELS')
}

export function withGlobals(command: Command): Command {
  return withModelOptions(command).option(
    '--chain <RPC,ID,HOUSE,TOKEN>',
    'chain to clear on, instead of the settings’',
    parseChain,
  )
}

/** Takes one value each time: a list would swallow what is behind it. */
export function add(value: string, before: string[]): string[] {
  return [...before, value]
}

/** Where this program's own device keeps its things. */
export function cliPaths({ models }: { models?: string | undefined }): Paths {
  const environment = readEnvironment()
  return pathsOf({ ...environment, models: models ?? environment.models })
}

/** Opens this program's own device. `listen` null: no network at all; keys only when asked for. */
export async function openCliDevice(init: {
  listen: readonly string[] | null
  needsKeys: boolean
  chain?: ChainSettings | undefined
  /** How many blocks deep a deposit is certain, instead of the settings’. */
  confirmations?: number | undefined
  models?: string | undefined
  /** The owner's phrase, where it was read already. */
  phrase?: string | undefined
  /** Token units that one native coin costs. */
  coinPrice?: number | undefined
  mayForget?: boolean
  /** Whether one question is likely to follow another. */
  readyAhead?: boolean
}): Promise<Device> {
  // Loaded by commands that need a device, once what they were asked makes sense.
  const { openDevice } = await import('../device/open-device.ts')
  const environment = readEnvironment()
  const paths = cliPaths(init)
  const settings = await readSettings(paths.config)
  const phrase = init.phrase ?? (init.needsKeys ? await readOwnerPhrase() : undefined)
  return openDevice({
    paths,
    phrase,
    listen: init.listen,
    reach: reachOf(settings),
    mayForget: init.mayForget,
    readyAhead: init.readyAhead,
    ceilings: ceilingsOf(settings),
    keeper: init.coinPrice === undefined ? {} : { unitsPerCoin: BigInt(init.coinPrice) },
    ...setOffOf(settings),
    prefer: settings.prefer,
    ...discoveryOf(settings),
    rules: rulesOf(settings),
    warm: warmLimitsOf(settings),
    chain: init.needsKeys ? chainOf(init, settings) : undefined,
    log: logger(environment.log),
  })
}

/** The chain to clear on, and how deep in it a deposit is certain: each by what was typed, else by the settings. */
export function chainOf(
  typed: { chain?: ChainSettings | undefined; confirmations?: number | undefined },
  settings: Settings,
): ChainSettings | undefined {
  const chain = typed.chain ?? settings.chain
  const confirmations = typed.confirmations ?? settings.confirmations ?? chain?.confirmations
  return chain && { ...chain, confirmations }
}

/** The phrase in this device's vault, once its passphrase was given. */
export async function readOwnerPhrase(): Promise<string> {
  const { readVaultFile } = await import('../storage/vault-file.ts')
  const environment = readEnvironment()
  return readVaultFile(pathsOf(environment).vault, await askPassphrase(environment.passphrase))
}

export function logger(level: 'quiet' | 'debug'): Log {
  if (level === 'quiet') return () => {}
  return (event, details) => say(`[${event}] ${JSON.stringify(details ?? {})}`)
}

/** The vault's passphrase: from the environment, else from the person. */
export async function askPassphrase(given: string | undefined, question = 'Passphrase') {
  if (given !== undefined) return given
  if (!process.stdin.isTTY) {
    throw new IdentityError({
      what: 'the vault needs its passphrase',
      next: 'Set FREEHOLD_PASSPHRASE where nobody can be asked',
    })
  }
  const { isCancel, password } = await import('@clack/prompts')
  const answer = await password({ message: question, output: process.stderr })
  if (isCancel(answer)) throw new IdentityError({ what: 'no passphrase was given' })
  return answer
}

/** Aborts on Ctrl-C, on termination and with a program that started this one; a second Ctrl-C ends it at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  const stop = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new DOMException('interrupted', 'AbortError'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  if (process.connected) {
    process.once('disconnect', stop)
    process.channel?.unref()
  }
  return controller.signal
}
