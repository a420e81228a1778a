import type { Command } from 'commander'
import { parseModelName } from '../../models/name.ts'
import { nameOf, requireFreeName, storableName } from '../../models/store.ts'
import { openCliLibrary, requireStored } from '../cli-library.ts'
import { interruptSignal, type ModelOptions, withModelOptions } from '../context.ts'
import { printJson, say } from '../output.ts'

export function cpCommand(command: Command): void {
  command
    .argument('<model>', 'its name (freehold list)')
    .argument('<name>', 'the second name')
    .action((model: string, name: string, options: ModelOptions) => copy(model, name, options))
  withModelOptions(command)
}

async function copy(from: string, to: string, options: ModelOptions): Promise<void> {
  const name = storableName(parseModelName(to))
  const library = openCliLibrary(options)
  const model = await requireStored(library, from)
  await requireFreeName(library.store, name, model.modelId)
  const copied = { ...model, name, addedAtMs: Date.now() }
  const added = await library.store.add(copied, new Map(), { signal: interruptSignal() })
  if (options.json) printJson({ name: nameOf(added), id: added.modelId })
  else say(`${nameOf(added)} is ${nameOf(model)}`)
}
