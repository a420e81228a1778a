import { access, constants, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { UsageError } from '@freehold/core/errors'
import { type Command, InvalidArgumentError } from 'commander'
import { QUANTISATIONS, type Quantisation } from '../../engine/quantise.ts'
import { lossChart } from '../../models/loss-chart.ts'
import { SAMPLE_TEXT } from '../../models/sample-text.ts'
import {
  chooseQuantisation,
  outputFor,
  requireAbsent,
  type ShrunkModel,
  shrink,
} from '../../models/shrink.ts'
import { parseSize, sizeText } from '../../models/size-text.ts'
import { requireOneFile } from '../cli-library.ts'
import { interruptSignal } from '../context.ts'
import { print, printJson, say, table } from '../output.ts'
import { createProgress } from '../progress.ts'
import { wholeNumber } from '../whole-number.ts'

interface ShrinkOptions {
  to?: Quantisation
  fit?: number
  compare?: Quantisation[]
  chart?: string
  out?: string
  text?: string
  tokens: number
  measure: boolean
  threads?: number
  json?: boolean
}

export function shrinkCommand(command: Command): void {
  command
    .argument('<model>', 'a model that is here (freehold list), or path of a GGUF file')
    .option('--to <quantisation>', `one of ${QUANTISATIONS.join(', ')}`, quantisation)
    .option('--fit <size>', 'the finest quantisation that is no larger, such as 1.5GB', size)
    .option('--compare <list>', 'try several and keep none, such as Q8_0,Q4_K_M,Q2_K', list)
    .option('--chart <file>', 'draw size against loss as an SVG')
    .option(
      '--out <file>',
      'where the smaller model goes; without it, beside a file of yours, else here',
    )
    .option('--text <file>', 'text to measure on, instead of the built-in sample')
    .option('--tokens <number>', 'most tokens of the text', wholeNumber, 512)
    .option('--no-measure', 'make the file and measure nothing')
    .option('--threads <number>', 'of the processor; all but one', wholeNumber)
    .option('--json', 'print machine-readable data on stdout')
    .action((model: string, options: ShrinkOptions) => run(model, options))
}

async function run(model: string, options: ShrinkOptions): Promise<void> {
  const signal = interruptSignal()
  const ways = [options.to, options.fit, options.compare].filter((way) => way !== undefined)
  if (ways.length !== 1) {
    throw new UsageError({
      what: ways.length === 0 ? 'how small is not said' : 'only one way to choose can be given',
      next: 'Give --to Q4_K_M, --fit 1.5GB, or --compare Q8_0,Q4_K_M,Q2_K.',
    })
  }
  if (options.compare !== undefined && (options.out !== undefined || !options.measure)) {
    throw new UsageError({
      what: '--compare measures and keeps no file',
      next: 'Keep one with --to, without --compare.',
    })
  }
  if (options.chart !== undefined && !options.measure) {
    throw new UsageError({
      what: 'a chart needs what is measured',
      next: 'Leave out --no-measure.',
    })
  }
  const { path: input, isOwnFile } = await requireOneFile(model)
  // Beside a file of one's own; what Freehold or another program keeps is no place for it.
  const place = isOwnFile ? input : basename(input)
  const to = options.compare ?? [
    options.to ?? (await chooseQuantisation(input, options.fit ?? 0, { signal })),
  ]
  const output = options.compare ? undefined : (options.out ?? outputFor(place, to[0] ?? 'Q4_K_M'))
  if (output !== undefined) await requireAbsent(output)
  // Before minutes of work, not after them.
  for (const path of [output, options.chart]) {
    if (path !== undefined) await access(dirname(resolve(path)), constants.W_OK)
  }
  const text = options.text === undefined ? SAMPLE_TEXT : await readFile(options.text, 'utf8')
  const progress = createProgress(undefined, 'steps')
  let models: readonly ShrunkModel[]
  try {
    models = await shrink({
      ...{ input, to, output, signal, threads: options.threads, maxTokens: options.tokens },
      text: options.measure ? text : null,
      onProgress: (step, done, of) => progress.show(step, done, of),
    })
  } finally {
    progress.end()
  }
  if (options.chart !== undefined)
    await writeFile(options.chart, lossChart(basename(input), models))
  const [original, ...results] = models
  if (options.json) printJson({ original, results, output, chart: options.chart })
  else {
    print(report(models))
    if (output !== undefined) say(`Wrote ${output}.`)
  }
}

function report(models: readonly ShrunkModel[]): string {
  const headings = ['QUANTISATION', 'SIZE', 'TOKENS/S', 'PERPLEXITY', 'KL', 'SAME FIRST CHOICE']
  const figure = (value: number | null | undefined, digits: number) => value?.toFixed(digits) ?? '-'
  const rows = models.map((model) => [
    model.quantisation,
    sizeText(model.sizeBytes),
    figure(model.tokensPerSecond, 1),
    figure(model.perplexity, 2),
    figure(model.loss?.klMean, 4),
    model.loss === null ? '-' : `${(100 * model.loss.topAgreement).toFixed(1)} %`,
  ])
  return table(headings, rows)
}

function quantisation(text: string): Quantisation {
  const found = QUANTISATIONS.find((type) => type === text.trim().toUpperCase())
  if (found !== undefined) return found
  throw new InvalidArgumentError(`It is one of ${QUANTISATIONS.join(', ')}.`)
}

function list(text: string): Quantisation[] {
  return text.split(',').map(quantisation)
}

function size(text: string): number {
  try {
    return parseSize(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : '')
  }
}
