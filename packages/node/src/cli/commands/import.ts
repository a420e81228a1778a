import { type Command, Option } from 'commander'
import { importModel } from '../../models/import.ts'
import { sizeOf } from '../../models/library.ts'
import { parseModelName } from '../../models/name.ts'
import { nameOf, storableName } from '../../models/store.ts'
import { openCliLibrary, requireModel } from '../cli-library.ts'
import { interruptSignal, type ModelOptions, withModelOptions } from '../context.ts'
import { printJson, say } from '../output.ts'
import { createProgress } from '../progress.ts'

interface ImportOptions extends ModelOptions {
  link?: boolean
  copy?: boolean
}

export function importCommand(command: Command): void {
  command
    .argument('<model>', 'path of a GGUF file, or a name that freehold list shows')
    .argument('[name]', 'what to store it under')
    .addOption(new Option('--link', 'fail rather than copy'))
    .addOption(new Option('--copy', 'make a copy of its own').conflicts('link'))
    .action((model: string, name: string | undefined, options: ImportOptions) =>
      take(model, name, options),
    )
  withModelOptions(command)
}

const HOW = {
  link: 'a second name for the same bytes: nothing was copied',
  reflink: 'a copy that shares its blocks: the disk holds them once',
  copy: 'a copy: the disk holds it twice',
}

async function take(text: string, as: string | undefined, options: ImportOptions): Promise<void> {
  const name = as === undefined ? undefined : storableName(parseModelName(as))
  const signal = interruptSignal()
  const library = openCliLibrary(options)
  const found = await requireModel(library, text)
  const progress = options.json ? null : createProgress()
  const { sizeBytes } = await sizeOf(found)
  const onBytes = (bytes: number) => progress?.show('checking', bytes, sizeBytes)
  const wanted = options.copy ? 'copy' : 'link'
  const by = options.copy || options.link ? wanted : undefined
  try {
    const init = { as: name, by, onBytes, signal } as const
    const { model, by: how } = await importModel(found, init, { library })
    progress?.end()
    if (options.json) printJson({ name: nameOf(model), id: model.modelId, by: how })
    else say(`${nameOf(model)} is in the store, as ${HOW[how]}`)
  } finally {
    progress?.end()
  }
}
