import { type Command, Option } from 'commander'
import { describeModelFiles, type ModelDescription } from '../../models/describe-model.ts'
import type { FoundModel } from '../../models/library.ts'
import { sizeText } from '../../models/size-text.ts'
import { openCliLibrary, requireModel } from '../cli-library.ts'
import { interruptSignal, type ModelOptions, withModelOptions } from '../context.ts'
import { formatCount } from '../format.ts'
import { print, printJson, safe } from '../output.ts'

interface ShowOptions extends ModelOptions {
  template?: boolean
  license?: boolean
  verbose?: boolean
}

export function showCommand(command: Command): void {
  command
    .argument('<model>', 'its name (freehold list), or the path of a GGUF file')
    .addOption(new Option('--template', 'its chat template alone'))
    .addOption(new Option('--license', 'its licence alone').conflicts('template'))
    .option('--verbose', 'with all of its metadata')
    .action((model: string, options: ShowOptions) => show(model, options))
  withModelOptions(command)
}

async function show(text: string, options: ShowOptions): Promise<void> {
  const library = openCliLibrary(options)
  const found = await requireModel(library, text)
  const description = await describeModelFiles(found, { signal: interruptSignal() })
  if (options.template) return print(safe(description.chatTemplate))
  if (options.license) return print(safe(description.license))
  if (options.json) {
    const { name, origin, paths, stored } = found
    return printJson({
      name,
      origin,
      id: stored?.modelId ?? null,
      from: stored?.from ?? null,
      addedAtMs: stored?.addedAtMs ?? null,
      paths,
      ...description,
    })
  }
  const rows = [...summary(found, description), ...(options.verbose ? metadata(description) : [])]
  const width = Math.max(...rows.map(([label]) => label.length))
  print(rows.map(([label, value]) => `${label.padEnd(width)}  ${safe(value)}`).join('\n'))
}

function summary(found: FoundModel, model: ModelDescription): [string, string][] {
  const { origin, paths, stored } = found
  return [
    ['name', found.name],
    ['title', model.title],
    ['architecture', model.architecture],
    ['parameters', formatCount(model.parameters)],
    ['context length', String(model.contextTokens)],
    ['embedding length', String(model.embeddingLength ?? 'not said')],
    ['quantization', model.quantisation || 'not said'],
    ['size', sizeText(model.sizeBytes)],
    ['license', model.license || 'not said'],
    ['chat template', model.chatTemplate === '' ? 'none' : 'yes (--template)'],
    ['id', stored?.modelId ?? 'not hashed yet'],
    ['from', stored?.from ?? origin],
    ...paths.map((path): [string, string] => ['file', path]),
  ]
}

function metadata({ metadata, lists }: ModelDescription): [string, string][] {
  const plain = Object.entries(metadata).map(([key, value]): [string, string] => [
    safe(key),
    String(value).replaceAll(/\s+/g, ' ').slice(0, 100),
  ])
  const counted = Object.entries(lists).map(([key, count]): [string, string] => [
    safe(key),
    `${count} entries`,
  ])
  return [...plain, ...counted]
}
