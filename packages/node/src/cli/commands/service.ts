import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { FreeholdError } from '@freehold/core/errors'
import { Command } from 'commander'
import { pathsOf, readEnvironment } from '../../config.ts'
import { LEAN_MALLOC, LEAN_NODE } from '../../lean-process.ts'
import {
  LAUNCHD_LABEL,
  launchdAgent,
  readLaunchdState,
  readSystemdState,
  SERVICE,
  type ServiceInit,
  type ServiceState,
  systemdUnit,
} from '../../service/service-files.ts'
import { print, printJson, say } from '../output.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
/** Variables that change what the device does; a secret is no part of a file. */
const KEPT = [
  'FREEHOLD_HOME',
  'FREEHOLD_MODELS',
  'FREEHOLD_NOHISTORY',
  'FREEHOLD_LOG',
  'FREEHOLD_OLLAMA_REGISTRY',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_STATE_HOME',
  'XDG_CACHE_HOME',
  'HF_ENDPOINT',
  'HF_HOME',
  'HF_HUB_CACHE',
  'OLLAMA_MODELS',
]

/** What one service manager needs. */
interface Manager {
  path: string
  text: string
  /** Folders that the device writes. */
  writes: readonly string[]
  install: readonly string[][]
  status: string[]
  logs: string[]
  /** What says in plain words how it is. */
  state: string[]
  /** @param said what `state` printed; empty where it failed */
  readState: (said: string) => ServiceState
}

interface ServiceOptions {
  json?: boolean
  dryRun?: boolean
}

export function serviceCommand(command: Command): void {
  const subCommand = (name: string, description: string) => {
    const sub = new Command(name).description(description)
    command.addCommand(sub.option('--json', 'print machine-readable data on stdout'))
    return sub
  }
  subCommand('install', 'serve from now on, and whenever you log in')
    .option('--dry-run', 'print what would be written and run, and do nothing')
    .action(install)
  subCommand('status', 'say whether it runs').action(status)
  subCommand('logs', 'follow what it says').action(logs)
}

async function install({ dryRun = false, json = false }: ServiceOptions): Promise<void> {
  const { path, text, writes, install: steps } = manager()
  const commands = steps.map((step) => step.join(' '))
  if (dryRun) {
    if (json) return printJson({ path, text, commands, isInstalled: false })
    say(`Would write ${path}:`)
    print(text.trimEnd())
    for (const command of commands) say(`Would run: ${command}`)
    return
  }
  await mkdir(dirname(path), { recursive: true })
  // What is not there when the service starts stays read-only for it.
  for (const folder of writes) await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(path, text)
  if (!json) say(`Wrote ${path}`)
  for (const [index, step] of steps.entries()) {
    const code = await perform(step, { isTalk: json })
    if (code === 0) continue
    throw new FreeholdError({
      what: `${path} is written, and the service is not started`,
      why: `\`${commands[index]}\` ended with ${code ?? 'a signal'}`,
    })
  }
  if (json) return printJson({ path, text, commands, isInstalled: true })
  say('The device serves now, and whenever you log in.')
}

async function status({ json = false }: ServiceOptions): Promise<void> {
  const { status: command, state, readState } = manager()
  if (!json) {
    if ((await perform(command)) !== 0) process.exitCode = 1
    return
  }
  let said = ''
  const onLine = (line: string) => {
    said += `${line}\n`
  }
  const code = await perform(state, { onLine })
  const found = readState(code === 0 ? said : '')
  printJson(found)
  if (!found.isRunning) process.exitCode = 1
}

async function logs({ json = false }: ServiceOptions): Promise<void> {
  const onLine = (line: string) => printJson({ line })
  if ((await perform(manager().logs, json ? { onLine } : {})) !== 0) process.exitCode = 1
}

function manager(): Manager {
  const { env, platform } = process
  const paths = pathsOf(readEnvironment(env), env)
  const { database, config, state, models, cache } = paths
  const writes = [...new Set([dirname(database), dirname(config), state, models, cache])]
  const log = join(dirname(paths.database), 'service.log')
  const init: ServiceInit = {
    command: [process.execPath, ...LEAN_NODE, MAIN, 'serve'],
    environment: {
      ...Object.fromEntries(
        KEPT.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])),
      ),
      ...LEAN_MALLOC,
    },
    writes,
    log,
  }
  if (platform === 'linux') {
    const config = env.XDG_CONFIG_HOME || join(homedir(), '.config')
    const systemctl = ['systemctl', '--user']
    return {
      path: join(config, `systemd/user/${SERVICE}.service`),
      text: systemdUnit(init),
      writes,
      install: [
        [...systemctl, 'daemon-reload'],
        [...systemctl, 'enable', '--now', SERVICE],
      ],
      status: [...systemctl, 'status', '--no-pager', SERVICE],
      state: [...systemctl, 'show', '--property', 'LoadState,ActiveState,MainPID', SERVICE],
      readState: readSystemdState,
      logs: ['journalctl', '--user', '--unit', SERVICE, '--follow', '--lines', '100'],
    }
  }
  if (platform === 'darwin') {
    const path = join(homedir(), `Library/LaunchAgents/${LAUNCHD_LABEL}.plist`)
    const domain = `gui/${process.getuid?.()}`
    return {
      path,
      text: launchdAgent(init),
      writes,
      install: [['launchctl', 'bootstrap', domain, path]],
      status: ['launchctl', 'print', `${domain}/${LAUNCHD_LABEL}`],
      state: ['launchctl', 'print', `${domain}/${LAUNCHD_LABEL}`],
      readState: readLaunchdState,
      logs: ['tail', '-n', '100', '-F', log],
    }
  }
  throw new FreeholdError({
    what: `services of ${platform} are not known here`,
    next: 'Let your system start `freehold serve`',
  })
}

interface PerformInit {
  /** Takes what it prints, line by line; else it prints into this terminal. */
  onLine?: (line: string) => void
  /** Whether all that it prints is talk. */
  isTalk?: boolean
}

/** Runs a program of the system. @returns its status; null: a signal ended it */
async function perform(
  [command = '', ...args]: readonly string[],
  { onLine, isTalk }: PerformInit = {},
): Promise<number | null> {
  const stdout = onLine ? 'pipe' : isTalk ? 2 : 'inherit'
  const child = spawn(command, args, { stdio: ['inherit', stdout, 'inherit'] })
  if (child.stdout && onLine) createInterface(child.stdout).on('line', onLine)
  const [code] = await (once(child, 'close') as Promise<[number | null]>).catch((cause) => {
    throw new FreeholdError({
      what: `${command} cannot be started`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: `Let your system start \`freehold serve\`, or see \`freehold service install --dry-run\``,
      cause,
    })
  })
  return code
}
