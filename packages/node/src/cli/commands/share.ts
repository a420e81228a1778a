import type { Command } from 'commander'
import { readSettings } from '../../config.ts'
import { nameOf } from '../../models/store.ts'
import { changeSettings } from '../change-settings.ts'
import { openCliLibrary, requireStored } from '../cli-library.ts'
import { cliPaths, type ModelOptions, withModelOptions } from '../context.ts'
import { print, printJson, say, table } from '../output.ts'

interface ShareOptions extends ModelOptions {
  stop?: boolean
}

export function shareCommand(command: Command): void {
  command
    .argument('[model...]', 'models of the store (freehold list); none: show which are shared')
    .option('--stop', 'share them no more')
    .addHelpText('after', '\nNothing leaves before a process seeds: freehold lend --seed')
    .action((models: string[], options: ShareOptions) => share(models, options))
  withModelOptions(command)
}

async function share(models: string[], options: ShareOptions): Promise<void> {
  const library = openCliLibrary(options)
  const { config } = cliPaths(options)
  const ids: string[] = []
  for (const model of models) ids.push((await requireStored(library, model)).modelId)
  const change = (shared: readonly string[]) =>
    options.stop ? shared.filter((id) => !ids.includes(id)) : [...new Set([...shared, ...ids])]
  const { shared = [] } =
    ids.length === 0
      ? await readSettings(config)
      : await changeSettings(config, (old) => ({ ...old, shared: change(old.shared ?? []) }))
  const stored = await library.store.list()
  const rows = shared.map((id) => ({
    id,
    names: stored.filter(({ modelId }) => modelId === id).map(nameOf),
  }))
  if (options.json) printJson(rows)
  else if (rows.length === 0) say('No model is shared. Share one with: freehold share MODEL')
  else
    print(
      table(
        ['MODEL', 'DIGEST'],
        rows.map(({ id, names }) => [names.join(', ') || 'not here', id]),
      ),
    )
}
