import type { Command } from 'commander'
import { type GlobalOptions, interruptSignal, withGlobals } from '../context.ts'
import { print, printJson, safe, say, table } from '../output.ts'

interface DoctorOptions extends GlobalOptions {
  online?: boolean
}

export function doctorCommand(command: Command): void {
  command
    .option('--online', 'also ask the chain, the model host and other devices; opens sockets')
    .addHelpText('after', '\nExit status 1 when something that was checked does not work.')
    .action((options: DoctorOptions) => doctor(options))
  withGlobals(command)
}

async function doctor(options: DoctorOptions): Promise<void> {
  const { examine } = await import('../examine.ts')
  const { central, checks } = await examine(options, { signal: interruptSignal() })
  const hasFailed = checks.some(({ status }) => status === 'failed')
  if (hasFailed) process.exitCode = 1
  if (options.json) return printJson({ isWell: !hasFailed, central, checks })
  say('What others run and this device uses:')
  const rows = central.map(({ name, inUse, setting, without }) => [
    name,
    inUse.join(', ') || 'none',
    setting,
    `without: ${without}`,
  ])
  print(table(['NAME', 'IN USE', 'SETTING', 'WHAT STOPS'], rows))
  say('What was checked:')
  print(
    table(
      ['CHECK', 'STATUS', ''],
      checks.map(({ name, status, says }) => [name, status, safe(says)]),
    ),
  )
  if (!options.online) say('Nothing was asked of anybody else; --online does.')
}
