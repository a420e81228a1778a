import type { Command } from 'commander'
import { removePrefixes } from '../../engine/prefix-files.ts'
import { sizeText } from '../../models/size-text.ts'
import { nameOf } from '../../models/store.ts'
import { openCliLibrary, requireStored } from '../cli-library.ts'
import { cliPaths, interruptSignal, type ModelOptions, withModelOptions } from '../context.ts'
import { printJson, say } from '../output.ts'

export function rmCommand(command: Command): void {
  command
    .argument('<model...>', 'their names (freehold list)')
    .action((names: string[], options: ModelOptions) => remove(names, options))
  withModelOptions(command)
}

async function remove(names: string[], options: ModelOptions): Promise<void> {
  const library = openCliLibrary(options)
  const signal = interruptSignal()
  // All are there, or none is removed.
  const models = await Promise.all(names.map((name) => requireStored(library, name)))
  const removed: { name: string; freedBytes: number }[] = []
  for (const model of models) {
    const { freedBytes } = await library.store.remove(model, { signal })
    await removePrefixes(cliPaths(options).prefixes, model.modelId)
    removed.push({ name: nameOf(model), freedBytes })
    if (options.json) continue
    const why = 'another name or another program has its bytes still'
    say(`Removed ${nameOf(model)}: ${freedBytes > 0 ? `${sizeText(freedBytes)} freed` : why}`)
  }
  if (options.json) printJson(removed)
}
