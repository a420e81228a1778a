import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FreeholdError } from '@freehold/core/errors'
import { Command } from 'commander'
import { pathsOf, readEnvironment } from '../../config.ts'
import {
  LAUNCHD_LABEL,
  launchdAgent,
  SERVICE,
  type ServiceInit,
  systemdUnit,
} from '../../service/service-files.ts'
import { print, say } from '../output.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
/** Variables that change what the device does; a passphrase is no part of a file. */
const KEPT = ['FREEHOLD_HOME', 'FREEHOLD_LOG', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME']

/** What one service manager needs. */
interface Manager {
  path: string
  text: string
  install: readonly string[][]
  status: string[]
  logs: string[]
}

export function serviceCommand(command: Command): void {
  command.addCommand(
    new Command('install')
      .description('serve from now on, and whenever you log in')
      .option('--dry-run', 'print what would be written and run, and do nothing')
      .action(install),
  )
  command.addCommand(
    new Command('status').description('say whether it runs').action(() => call('status')),
  )
  command.addCommand(
    new Command('logs').description('follow what it says').action(() => call('logs')),
  )
}

async function install({ dryRun }: { dryRun?: boolean }): Promise<void> {
  const { path, text, install: steps } = manager()
  if (dryRun) {
    say(`Would write ${path}:`)
    print(text.trimEnd())
    for (const step of steps) say(`Would run: ${step.join(' ')}`)
    return
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  say(`Wrote ${path}`)
  for (const step of steps) await perform(step)
  say('The device serves now, and whenever you log in.')
}

async function call(what: 'status' | 'logs'): Promise<void> {
  await perform(manager()[what])
}

function manager(): Manager {
  const { env, platform } = process
  const paths = pathsOf(readEnvironment(env), env)
  const writes = [...new Set([dirname(paths.database), dirname(paths.config)])]
  const log = join(dirname(paths.database), 'service.log')
  const init: ServiceInit = {
    command: [process.execPath, '--no-warnings', MAIN, 'serve'],
    environment: Object.fromEntries(
      KEPT.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])),
    ),
    writes,
    log,
  }
  if (platform === 'linux') {
    const config = env.XDG_CONFIG_HOME || join(homedir(), '.config')
    const systemctl = ['systemctl', '--user']
    return {
      path: join(config, `systemd/user/${SERVICE}.service`),
      text: systemdUnit(init),
      install: [
        [...systemctl, 'daemon-reload'],
        [...systemctl, 'enable', '--now', SERVICE],
      ],
      status: [...systemctl, 'status', '--no-pager', SERVICE],
      logs: ['journalctl', '--user', '--unit', SERVICE, '--follow', '--lines', '100'],
    }
  }
  if (platform === 'darwin') {
    const path = join(homedir(), `Library/LaunchAgents/${LAUNCHD_LABEL}.plist`)
    const domain = `gui/${process.getuid?.()}`
    return {
      path,
      text: launchdAgent(init),
      install: [['launchctl', 'bootstrap', domain, path]],
      status: ['launchctl', 'print', `${domain}/${LAUNCHD_LABEL}`],
      logs: ['tail', '-n', '100', '-F', log],
    }
  }
  throw new FreeholdError({
    what: `services of ${platform} are not known here`,
    next: 'Let your system start `freehold serve`',
  })
}

/** Runs a program of the system in this terminal. */
async function perform([command = '', ...args]: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: 'inherit' })
  const [code] = await (once(child, 'close') as Promise<[number | null]>).catch((cause) => {
    throw new FreeholdError({
      what: `${command} cannot be started`,
      why: cause instanceof Error ? cause.message : String(cause),
      next: `Let your system start \`freehold serve\`, or see \`freehold service install --dry-run\``,
      cause,
    })
  })
  if (code !== 0) process.exitCode = 1
}
