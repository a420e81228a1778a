import { UsageError } from '@freehold/core/errors'
import type { Command } from 'commander'
import { type GlobalOptions, withGlobals } from '../context.ts'
import { printJson, say } from '../output.ts'

export function stopCommand(command: Command): void {
  command
    .argument('[models...]', 'names, as ps shows them')
    .option('--all', 'all of them')
    .action((models: string[], options: GlobalOptions & { all?: boolean }) => stop(models, options))
  withGlobals(command)
}

async function stop(
  models: readonly string[],
  options: GlobalOptions & { all?: boolean },
): Promise<void> {
  if (models.length > 0 === (options.all ?? false)) {
    throw new UsageError({ what: 'stop needs the name of a model, or --all' })
  }
  const { connectToResident, loadedModels } = await import('../resident-client.ts')
  const ask = await connectToResident()
  const names = options.all ? (await loadedModels(ask)).map(({ name }) => name) : models
  for (const model of names) {
    await ask('/api/generate', { model, keep_alive: 0 })
    if (!options.json) say(`Stopped ${model}`)
  }
  if (options.json) printJson({ stopped: names })
}
