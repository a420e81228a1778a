import { access, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { FILE_TYPES } from '@freehold/core/engine/gguf-types'
import { UsageError } from '@freehold/core/errors'
import { type Measured, measureModel } from '../engine/measure.ts'
import { type Quantisation, quantise, quantisedSize } from '../engine/quantise.ts'
import { readGguf } from '../engine/read-gguf.ts'
import { type Loss, lossOf, perplexityOf } from './loss.ts'
import { requireSpace } from './require-space.ts'
import { sizeText } from './size-text.ts'

/** What `--fit` chooses from, finest first. */
const CHOICES: readonly Quantisation[] = [
  ...(['F16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q4_K_M', 'Q4_K_S'] as const),
  ...(['Q3_K_L', 'Q3_K_M', 'Q3_K_S', 'Q2_K'] as const),
]

/** A model on disk, and how it did. */
export interface ShrunkModel {
  quantisation: string
  sizeBytes: number
  /** Null when nothing was measured. */
  tokensPerSecond: number | null
  perplexity: number | null
  /** What it lost against the original; null for the original itself. */
  loss: Loss | null
}

export interface ShrinkInit {
  input: string
  /** Each is made and compared. */
  to: readonly Quantisation[]
  /** Keeps the file; only with one quantisation. Without it, files are made for comparison alone. */
  output?: string | undefined
  /** What loss is measured on; null measures nothing. */
  text: string | null
  maxTokens?: number | undefined
  threads?: number | undefined
  /** Of each step, with its name. */
  onProgress?: ((step: string, done: number, of: number) => void) | undefined
  signal?: AbortSignal | undefined
}

/**
 * Quantises a model and says what that cost, on this machine and on one text. The original comes first.
 * @throws UsageError, ModelError, EngineError; what is unfinished is removed
 */
export async function shrink(init: ShrinkInit): Promise<[ShrunkModel, ...ShrunkModel[]]> {
  const { input, output, signal } = init
  const { header, stats } = await readGguf(resolve(input), { signal })
  const own = FILE_TYPES.get(Number(header.metadata.get('general.file_type'))) ?? 'original'
  const original = init.text === null ? null : await measure(input, own, init)
  const folder = output === undefined ? await mkdtemp(join(tmpdir(), 'freehold-shrink-')) : null
  try {
    const results: [ShrunkModel, ...ShrunkModel[]] = [shrunk(own, stats.size, original, null)]
    for (const type of init.to) {
      const path = output ?? join(folder ?? '', `${type}.gguf`)
      await requireSpace(resolve(path), await quantisedSize(input, type, { signal }), 'written')
      await quantise(input, path, type, {
        threads: init.threads,
        signal,
        onProgress: ({ tensors, ofTensors }) =>
          init.onProgress?.(`quantising to ${type}`, tensors, ofTensors),
      })
      const { size } = await stat(path)
      const measured = original && (await measure(path, type, init, original))
      results.push(shrunk(type, size, measured, original))
      if (folder !== null) await rm(path)
    }
    return results
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true })
  }
}

async function measure(
  path: string,
  name: string,
  init: ShrinkInit,
  original?: Measured,
): Promise<Measured> {
  return measureModel(path, {
    text: init.text ?? '',
    maxTokens: init.maxTokens,
    threads: init.threads,
    original,
    onProgress: (done, of) => init.onProgress?.(`measuring ${name}`, done, of),
    signal: init.signal,
  })
}

function shrunk(
  quantisation: string,
  sizeBytes: number,
  measured: Measured | null,
  original: Measured | null,
): ShrunkModel {
  return {
    quantisation,
    sizeBytes,
    tokensPerSecond: measured?.tokensPerSecond ?? null,
    perplexity: measured && perplexityOf(measured),
    loss: measured && original && lossOf(original, measured),
  }
}

/**
 * Chooses the finest quantisation whose file is no larger, by dry runs of llama.cpp's quantiser.
 * @throws UsageError when the model is small enough already, or cannot be made so
 */
export async function chooseQuantisation(
  input: string,
  limitBytes: number,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<Quantisation> {
  const { stats } = await readGguf(resolve(input), init)
  if (stats.size <= limitBytes) {
    throw new UsageError({
      what: `${input} has ${sizeText(stats.size)} already`,
      why: `${sizeText(limitBytes)} were asked for`,
      next: 'Choose a smaller size, or a quantisation with --to.',
    })
  }
  let least = stats.size
  for (const type of CHOICES) {
    const size = await quantisedSize(input, type, init)
    if (size <= limitBytes) return type
    least = Math.min(least, size)
  }
  throw new UsageError({
    what: `${input} cannot be made as small as ${sizeText(limitBytes)}`,
    why: `its smallest quantisation has ${sizeText(least)}`,
    next: 'Choose a model with fewer parameters: freehold models lists some.',
  })
}

/** Where the shrunk model goes unless it is said: beside the original, with the quantisation in its name. */
export function outputFor(input: string, type: Quantisation): string {
  const name = basename(input).replace(/\.gguf$/i, '')
  const known = [...FILE_TYPES.values()].toSorted((a, b) => b.length - a.length).join('|')
  const stem = name.replace(new RegExp(`[-._](${known})$`, 'i'), '')
  return join(dirname(input), `${stem}-${type}.gguf`)
}

/** @throws UsageError when something is there */
export async function requireAbsent(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (!isThere) return
  throw new UsageError({
    what: `${path} is there already`,
    next: 'Remove it, or name another file with --out.',
  })
}
