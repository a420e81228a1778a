import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { totalmem } from 'node:os'
import type { Device } from '@freehold/core/device/device'
import { UsageError } from '@freehold/core/errors'
import type { Scope } from '@freehold/core/wire/frames'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { hubOf, type Paths, readEnvironment, readSettings, tokensOf } from '../../config.ts'
import { DEFAULT_PORT } from '../../http/default-port.ts'
import type { Dashboard } from '../../http/freehold/dashboard.ts'
import { openSite, SITE_FOLDER } from '../../http/site.ts'
import { openOwnUse, ownUseFolder } from '../../power/own-use.ts'
import { VERSION } from '../../version.ts'
import {
  add,
  cliPaths,
  type GlobalOptions,
  interruptSignal,
  openCliDevice,
  withGlobals,
} from '../context.ts'
import { duration } from '../duration-option.ts'
import { printJson, say } from '../output.ts'
import { keepTending } from '../tend-channels.ts'

/** Of the memory, for files of models: contexts, this process and others need the rest. */
const MODELS_SHARE = 0.6

interface ServeOptions extends GlobalOptions {
  port: number
  scope: Scope
  peer: string[]
  listen?: string[]
  confirmations?: number
  allowOrigin: string[]
  allowHost: string[]
  keepAlive: number
  parallel: number
  maxModels: number
  maxWaiting: number
  context?: number
  flashAttention?: boolean
  kvType: 'f32' | 'f16' | 'q8_0'
  idleExit?: number
  background?: boolean
}

export function serveCommand(command: Command): void {
  command
    .argument('[files...]', 'GGUF files to offer besides the models that are here (freehold list)')
    .option('--port <number>', 'port on 127.0.0.1', whole(0, 65_535), DEFAULT_PORT)
    .addOption(
      new Option('--scope <scope>', 'how far a request may ask to travel at most')
        .choices(['device', 'own', 'friends', 'market'])
        .default('device'),
    )
    .option('--peer <address>', 'a lender to ask besides the known ones; again for more', add, [])
    .option('--listen <multiaddr...>', 'where other devices of yours reach this one, to lend to it')
    .option('--confirmations <blocks>', 'blocks after which a deposit is certain', whole(0, 1_000))
    .option('--allow-origin <origin>', 'a web page that may ask; again for more', add, [])
    .option('--allow-host <name>', 'another name of this machine; again for more', add, [])
    .option('--keep-alive <time>', 'how long an idle model stays in memory', duration, 300_000)
    .option('--parallel <number>', 'texts that a model writes at once', whole(1, 64), 4)
    .option('--max-models <number>', 'models in memory at once', whole(1, 64), 3)
    .option('--max-waiting <number>', 'requests that may wait for a model', whole(0, 10_000), 64)
    .option('--context <tokens>', 'context of each text', whole(1, 16_777_216))
    .option('--flash-attention', 'compute attention in one go, with less memory at long contexts')
    .addOption(
      new Option('--kv-type <type>', 'how contexts are kept; q8_0 takes half the memory of f16')
        .choices(['f32', 'f16', 'q8_0'])
        .default('f16'),
    )
    .option('--idle-exit <time>', 'end when nothing was asked for so long', duration)
    // As `run` starts it: on any port, for this person's own commands alone, who find it.
    .addOption(new Option('--background').hideHelp())
    .action((files: string[], options: ServeOptions) => serve(files, options))
  withGlobals(command)
}

function whole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= least && value <= most) return value
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
  }
}

async function serve(files: string[], options: ServeOptions): Promise<void> {
  if (options.kvType === 'q8_0' && !options.flashAttention) {
    throw new UsageError({
      what: 'a context in q8_0 needs flash attention',
      next: 'Add --flash-attention',
    })
  }
  if (options.listen !== undefined && options.scope === 'device') {
    throw new UsageError({
      what: 'a device that asks nobody listens to nobody',
      next: 'Add --scope own, or a wider one',
    })
  }
  // Only a process that serves loads what serving takes: an own answer starts without.
  const [
    { takeResidence },
    { createIdleEnd },
    { openServing },
    { listen },
    { openModelLibrary },
    { readGguf },
  ] = await Promise.all([
    import('../../serving/resident.ts'),
    import('../idle-end.ts'),
    import('../../http/open-serving.ts'),
    import('../../http/listen.ts'),
    import('../../models/library.ts'),
    import('../../engine/read-gguf.ts'),
  ])
  const signal = interruptSignal()
  const environment = readEnvironment()
  const paths = cliPaths(options)
  const settings = await readSettings(paths.config)
  const { keepPrefixes = true } = settings
  const tokens = tokensOf(settings, environment)
  const mayLeave = options.scope !== 'device'
  const keepsTexts = environment.hasHistory && keepPrefixes

  // What cannot be offered is said now, not to whoever asks for it.
  for (const file of files) await readGguf(file, { signal })
  const isBackground = options.background ?? false
  if (!isBackground) await makeRoom(paths)
  await using residence = await takeResidence(paths.state)
  await using device = await openCliDevice({
    listen: mayLeave ? (options.listen ?? []) : null,
    needsKeys: mayLeave,
    readyAhead: true,
    chain: options.chain,
    confirmations: options.confirmations,
    models: options.models,
  })
  // Who listens is ready for whoever comes; an own answer loads no network.
  const { addresses } =
    options.listen === undefined ? { addresses: [] } : await device.discovering.state()
  for (const address of options.peer) await device.peers.ask(address, { signal })
  const token = randomBytes(24).toString('hex')
  await using serving = openServing(
    {
      paths: files,
      hub: hubOf(settings, environment),
      responses: paths.responses,
      prefixes: keepsTexts ? paths.prefixes : undefined,
      widestScope: options.scope,
      attention: { flashAttn: options.flashAttention, kvType: options.kvType },
      // This person's own commands find theirs in the note of this process.
      tokens: tokens.length > 0 || isBackground ? [...tokens, token] : [],
      origins: options.allowOrigin,
      hosts: options.allowHost,
      site: isBackground ? undefined : await openSite(SITE_FOLDER),
      dashboard: isBackground ? undefined : await openDashboard(options, paths, device),
      pool: {
        keepAliveMs: options.keepAlive,
        parallel: options.parallel,
        maxModels: options.maxModels,
        memoryBytes: totalmem() * MODELS_SHARE,
        maxWaiting: options.maxWaiting,
        contextTokens: options.context,
      },
      onDefect: (error) => say(error instanceof Error ? (error.stack ?? '') : String(error)),
    },
    { device, library: openModelLibrary({ paths }) },
  )
  const idleEnd = createIdleEnd(
    (request) => serving.app.fetch(request),
    options.idleExit ?? Infinity,
    openOwnUse(ownUseFolder(paths)),
  )
  await using listener = await listen(idleEnd.fetch, isBackground ? { port: 0 } : options)
  const { url } = listener
  const { models } = paths
  const { pid } = process
  const note = { pid, url, token, version: VERSION, models, isBackground, keepsTexts, addresses }
  await residence.announce(note)
  if (options.json) printJson({ event: 'listening', url, pid: process.pid, addresses })
  else {
    say(`Listening at ${url} (Ctrl-C ends it)`)
    for (const address of addresses) say(`  ${address}`)
  }
  const tending = mayLeave ? keepTending(device, { signal }) : Promise.resolve()
  if (!signal.aborted) await Promise.race([once(signal, 'abort'), idleEnd.idle])
  idleEnd.end()
  await tending
}

async function openDashboard(
  options: ServeOptions,
  paths: Paths,
  device: Device,
): Promise<Dashboard> {
  const { createDashboard } = await import('../dashboard.ts')
  return createDashboard({ paths, scope: options.scope, options }, device)
}

/** Who is started by a person takes the place of what commands started in the background. */
async function makeRoom(paths: Paths): Promise<void> {
  const [{ findResident }, { endResident }] = await Promise.all([
    import('../../serving/resident.ts'),
    import('../background.ts'),
  ])
  const found = await findResident(paths.state)
  if (found?.isBackground) await endResident(paths, found)
}
