import { UsageError } from '@freehold/core/errors'
import type { Command } from 'commander'
import { pathsOf, readEnvironment } from '../../config.ts'
import { type GlobalOptions, withGlobals } from '../context.ts'
import { printJson, say } from '../output.ts'

/** Ends what commands started in the background; what a person started is theirs to end. */
async function stopBackground({ json }: GlobalOptions): Promise<void> {
  const [{ findResident }, { endResident }] = await Promise.all([
    import('../../serving/resident.ts'),
    import('../background.ts'),
  ])
  const paths = pathsOf(readEnvironment())
  const found = await findResident(paths.state)
  if (!found?.isBackground) {
    const why =
      found === null ? 'no process serves this device' : `you started process ${found.pid} yourself`
    throw new UsageError({
      what: 'nothing runs in the background',
      why,
      next: 'With the name of a model, or --all, stop takes models out of memory',
    })
  }
  await endResident(paths, found)
  if (json) printJson({ stopped: [], ended: found.pid })
  else say(`Ended process ${found.pid}`)
}

export function stopCommand(command: Command): void {
  command
    .argument(
      '[models...]',
      'names, as ps shows them; without any, what runs in the background ends',
    )
    .option('--all', 'all of them')
    .action((models: string[], options: GlobalOptions & { all?: boolean }) => stop(models, options))
  withGlobals(command)
}

async function stop(
  models: readonly string[],
  options: GlobalOptions & { all?: boolean },
): Promise<void> {
  if (models.length === 0 && !options.all) return stopBackground(options)
  if (models.length > 0 && options.all) {
    throw new UsageError({ what: 'stop takes the names of models or --all, not both' })
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
