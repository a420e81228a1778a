import { Command } from 'commander'
import { type GlobalOptions, withGlobals } from '../context.ts'
import { print, printJson, table } from '../output.ts'

export function configCommand(command: Command): void {
  command.addCommand(
    withGlobals(
      new Command('show').description('show every setting and where it comes from').action(show),
    ),
  )
}

async function show(options: GlobalOptions): Promise<void> {
  const { effectiveSettings } = await import('../effective-settings.ts')
  const settings = await effectiveSettings(options)
  if (options.json) return printJson(settings)
  const rows = settings.map(({ name, value, origin }) => [name, words(value), origin])
  print(table(['NAME', 'VALUE', 'FROM'], rows))
}

function words(value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || (Array.isArray(value) && value.length === 0)) return 'none'
  return JSON.stringify(value)
}
