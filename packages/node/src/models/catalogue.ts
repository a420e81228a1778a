import { constants, copyFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from '@freehold/core/errors'
import { z } from 'zod'
import type { Quantisation } from '../engine/quantise.ts'
import { type FitInit, type Needs, needsOfParts } from './fit.ts'
import { type FitMark, markFit } from './fit-advice.ts'
import { BITS_PER_WEIGHT } from './quantisations.ts'

const whole = z.int().positive()

const Entry = z.strictObject({
  /** What people type. */
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/),
  title: z.string(),
  parameters: whole,
  /** SPDX identifier. */
  licence: z.string(),
  contextTokens: whole,
  /** Numbers that each token keeps in the KV cache: layers × KV heads × (key length + value length). */
  kvNumbers: z.int().nonnegative(),
  vocabulary: whole,
  /** What `freehold pull` takes. */
  source: z.string(),
})

export type CatalogueModel = z.infer<typeof Entry>

const BUILT_IN = fileURLToPath(new URL('./catalogue.json', import.meta.url))

/** Finest first; without the halves and the ones that lose much. */
const OFFERED: readonly Quantisation[] = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M']

/**
 * Reads the catalogue of small models under open licences.
 * @param own a person's own list: replaces the built-in one where it exists
 * @throws UsageError when it is no such list
 */
export async function readCatalogue(own: string): Promise<CatalogueModel[]> {
  const found = await readFile(own, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  try {
    return z.array(Entry).parse(JSON.parse(found ?? (await readFile(BUILT_IN, 'utf8'))))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause)
    throw new UsageError({
      what: `${own} is no catalogue`,
      why,
      next: 'Correct it, or remove it to have the built-in one.',
      cause,
    })
  }
}

/** Writes the built-in list where a person can change it. @throws when something is there already */
export async function writeCatalogue(own: string): Promise<void> {
  await mkdir(dirname(own), { recursive: true })
  await copyFile(BUILT_IN, own, constants.COPYFILE_EXCL).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    throw new UsageError({ what: `${own} is there already`, next: 'Change it, or remove it.' })
  })
}

/** About how large a file of the model is. */
export function catalogueSize({ parameters }: CatalogueModel, type: Quantisation): number {
  return Math.ceil((parameters * (BITS_PER_WEIGHT.get(type) ?? 16)) / 8)
}

/** About what the model needs; from its file, `estimateNeeds` says it exactly. */
export function catalogueNeeds(model: CatalogueModel, type: Quantisation, init: FitInit): Needs {
  const { contextTokens, kvNumbers, vocabulary } = model
  const weightsBytes = catalogueSize(model, type)
  const shape = { contextTokens, kvNumbers, vocabulary, width: 0, heads: 0, feedForward: 0 }
  return needsOfParts({ weightsBytes, readBytes: weightsBytes, shape }, init)
}

/** A model of the catalogue on this device. */
export interface MarkedModel extends CatalogueModel {
  /** Of Q4_K_M. */
  mark: FitMark
  /** The finest quantisation that is not too big; null when none is. */
  quantisation: Quantisation | null
  needs: Needs
}

/** Marks each model by what is free. */
export function markCatalogue(
  models: readonly CatalogueModel[],
  init: FitInit,
  freeBytes: number,
): MarkedModel[] {
  return models.map((model) => {
    const mark = (type: Quantisation) =>
      markFit(catalogueNeeds(model, type, init).totalBytes, freeBytes)
    return {
      ...model,
      mark: mark('Q4_K_M'),
      quantisation: OFFERED.find((type) => mark(type) !== 'too big') ?? null,
      needs: catalogueNeeds(model, 'Q4_K_M', init),
    }
  })
}

/**
 * What a first run offers: the largest model that fits well, when one could be fetched; else null, which
 * means the bundled one.
 */
export function offerModel(models: readonly MarkedModel[], isOnline: boolean): MarkedModel | null {
  if (!isOnline) return null
  const fitting = models.filter(({ mark }) => mark === 'fits')
  return fitting.toSorted((a, b) => b.parameters - a.parameters)[0] ?? null
}
