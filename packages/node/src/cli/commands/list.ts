import type { Command } from 'commander'
import { type FoundModel, sizeOf } from '../../models/library.ts'
import { sizeText } from '../../models/size-text.ts'
import { openCliLibrary } from '../cli-library.ts'
import { type ModelOptions, withModelOptions } from '../context.ts'
import { formatAge } from '../format.ts'
import { print, printJson, safe, say, table } from '../output.ts'

export function listCommand(command: Command): void {
  command
    .argument('[words...]', 'only those whose names contain them')
    .action((words: string[], options: ModelOptions) => list(words, options))
  withModelOptions(command)
}

async function list(words: string[], options: ModelOptions): Promise<void> {
  const library = openCliLibrary(options)
  const found = (await library.list()).filter(({ name }) =>
    words.every((word) => name.toLowerCase().includes(word.toLowerCase())),
  )
  const rows = await Promise.all(found.map(describe))
  for (const { message } of await library.store.damages()) say(`Passed over: ${message}`)
  if (options.json) return printJson(rows)
  const lines = rows.map(({ name, id, sizeBytes, modifiedAtMs, origin }) => [
    safe(name),
    id?.slice(0, 12) ?? '',
    sizeText(sizeBytes),
    formatAge(modifiedAtMs, Date.now()),
    origin,
  ])
  print(table(['NAME', 'ID', 'SIZE', 'MODIFIED', 'FROM'], lines))
}

async function describe(model: FoundModel) {
  const { name, origin, paths, stored } = model
  const { sizeBytes, changedAtMs } = await sizeOf(model)
  return {
    name,
    /** Null where nobody has hashed it yet: loading it does. */
    id: stored?.modelId ?? null,
    sizeBytes,
    modifiedAtMs: stored?.addedAtMs ?? changedAtMs,
    origin,
    paths,
  }
}
