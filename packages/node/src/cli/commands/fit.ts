import { describeGguf } from '@freehold/core/engine/describe-gguf'
import type { Command } from 'commander'
import { pathsOf, readEnvironment } from '../../config.ts'
import { readGguf } from '../../engine/read-gguf.ts'
import { estimateTokensPerSecond, measureBandwidth } from '../../models/bandwidth.ts'
import {
  type CatalogueModel,
  catalogueNeeds,
  markCatalogue,
  readCatalogue,
} from '../../models/catalogue.ts'
import { adviseFit, markFit, needsText, nextBest } from '../../models/fit-advice.ts'
import { freeMemory } from '../../models/free-memory.ts'
import { sizeText } from '../../models/size-text.ts'
import { requireOneFile } from '../cli-library.ts'
import { interruptSignal } from '../context.ts'
import { print, printJson, safe } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface FitOptions {
  context: number
  sequences: number
  flashAttention?: boolean
  probe: boolean
  json?: boolean
}

export function fitCommand(command: Command): void {
  command
    .argument(
      '<model>',
      'a model that is here (freehold list), path of a GGUF file, or a name that freehold models lists',
    )
    .option('--context <tokens>', 'of one text', wholeNumber, 2_048)
    .option('--sequences <number>', 'texts at the same time', wholeNumber, 4)
    .option('--flash-attention', 'as the engine would with it')
    .option('--no-probe', 'do not measure how fast memory is')
    .option('--json', 'print machine-readable data on stdout')
    .action((model: string, options: FitOptions) => fit(model, options))
}

async function fit(model: string, options: FitOptions): Promise<void> {
  const signal = interruptSignal()
  const catalogue = await readCatalogue(pathsOf(readEnvironment()).catalogue)
  const listed = catalogue.find(({ name }) => name === model.toLowerCase())
  if (listed !== undefined) return fitListed(listed, options, signal)
  const { path } = await requireOneFile(model)
  const { header } = await readGguf(path, { signal })
  const { name, quantisation, contextTokens: own } = describeGguf(header, model)
  const { context: contextTokens, sequences, flashAttention: flashAttn } = options
  const free = await freeMemory()
  const advice = adviseFit(header, { contextTokens, sequences, flashAttn }, free.availableBytes)
  const longest = adviseFit(
    header,
    { contextTokens: own, sequences: 1, flashAttn },
    free.availableBytes,
  ).contextTokens
  const bandwidth = options.probe ? await measureBandwidth({ signal }) : null
  const tokensPerSecond =
    bandwidth === null ? null : estimateTokensPerSecond(advice.needs.bytesPerToken, bandwidth)
  // A script can ask with the exit status alone.
  if (advice.mark === 'too big') process.exitCode = 1
  if (options.json) {
    return printJson({
      model: name,
      path,
      quantisation,
      free,
      ...advice,
      longest,
      bandwidth,
      tokensPerSecond,
    })
  }
  const limit = free.source === 'cgroup' ? ' (the limit of this container or service)' : ''
  print(
    [
      `${safe(name)} ${quantisation}: ${advice.mark}`,
      `  needs ${needsText(advice.needs)}`,
      `  free ${sizeText(free.availableBytes)}${limit}`,
      ...speedLine(tokensPerSecond, bandwidth),
      longest === null
        ? '  no context at all fits'
        : `  one text alone could have ${longest} tokens of context (the model’s own limit is ${own})`,
      ...(advice.mark === 'too big' ? [nextBest(advice, path)] : []),
    ].join('\n'),
  )
}

/** A model that is not here yet: chooses the finest quantisation that is not too big. */
async function fitListed(
  listed: CatalogueModel,
  options: FitOptions,
  signal: AbortSignal,
): Promise<void> {
  const { context: contextTokens, sequences, flashAttention: flashAttn } = options
  const ask = { contextTokens, sequences, flashAttn }
  const free = await freeMemory()
  const [marked] = markCatalogue([listed], ask, free.availableBytes)
  const quantisation = marked?.quantisation ?? 'Q4_K_M'
  const needs = catalogueNeeds(listed, quantisation, ask)
  const mark = markFit(needs.totalBytes, free.availableBytes)
  const bandwidth = options.probe ? await measureBandwidth({ signal }) : null
  const tokensPerSecond =
    bandwidth === null ? null : estimateTokensPerSecond(needs.bytesPerToken, bandwidth)
  if (mark === 'too big') process.exitCode = 1
  if (options.json) {
    const { name: model, source } = listed
    return printJson({ model, source, quantisation, free, mark, needs, bandwidth, tokensPerSecond })
  }
  print(
    [
      `${safe(listed.title)} ${quantisation}: ${mark} (estimated from the list; it is not here yet)`,
      `  needs ${needsText(needs)}`,
      `  free ${sizeText(free.availableBytes)}`,
      ...speedLine(tokensPerSecond, bandwidth),
      mark === 'too big'
        ? 'Choose a smaller model: freehold models lists some.'
        : `Get it with: freehold pull ${safe(listed.source)}:${quantisation}`,
    ].join('\n'),
  )
}

function speedLine(tokensPerSecond: number | null, bandwidth: number | null): string[] {
  if (tokensPerSecond === null || bandwidth === null) return []
  const speed = Number(tokensPerSecond.toPrecision(2))
  const read = `memory reads ${sizeText(bandwidth)}/s`
  return [`  about ${speed} tokens/s, right within a factor of two (${read})`]
}
