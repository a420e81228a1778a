import type { GgufHeader } from '@freehold/core/engine/gguf'
import { FILE_TYPES } from '@freehold/core/engine/gguf-types'
import { ModelError } from '@freehold/core/errors'
import type { Quantisation } from '../engine/quantise.ts'
import { estimateNeeds, type FitInit, type Needs } from './fit.ts'
import type { FreeMemory } from './free-memory.ts'
import { BITS_PER_WEIGHT } from './quantisations.ts'
import { sizeText } from './size-text.ts'

export type FitMark = 'fits' | 'tight' | 'too big'

/** Above this share of what is free, other programs will feel it. */
const TIGHT_SHARE = 0.8

/** Contexts that are worth offering when the asked one does not fit. */
const CONTEXTS = [32_768, 16_384, 8_192, 4_096, 2_048, 1_024, 512]

export function markFit(needBytes: number, freeBytes: number): FitMark {
  if (needBytes > freeBytes) return 'too big'
  return needBytes > TIGHT_SHARE * freeBytes ? 'tight' : 'fits'
}

/** How a model could be loaded here. */
export interface FitAdvice {
  mark: FitMark
  needs: Needs
  /** The longest context, up to the asked one, with which it fits; null when none does. */
  contextTokens: number | null
  /** The finest coarser quantisation that would fit with the asked context, and its size; null when
   * none is needed or none would do. */
  shrinkTo: { quantisation: Quantisation; sizeBytes: number } | null
}

/** Says whether the model fits, and what would. @throws ModelError when its header makes no sense */
export function adviseFit(header: GgufHeader, init: FitInit, freeBytes: number): FitAdvice {
  const needs = estimateNeeds(header, init)
  const mark = markFit(needs.totalBytes, freeBytes)
  const fits = (contextTokens: number) =>
    estimateNeeds(header, { ...init, contextTokens }).totalBytes <= freeBytes
  const contexts = [needs.contextTokens, ...CONTEXTS.filter((n) => n < needs.contextTokens)]
  return {
    mark,
    needs,
    contextTokens: contexts.find(fits) ?? null,
    shrinkTo: mark === 'too big' ? shrinkTo(header, needs, freeBytes) : null,
  }
}

function shrinkTo(
  header: GgufHeader,
  { weightsBytes, totalBytes }: Needs,
  freeBytes: number,
): FitAdvice['shrinkTo'] {
  const weights = header.tensors.reduce(
    (sum, { dimensions }) => sum + dimensions.reduce((product, size) => product * size, 1),
    0,
  )
  const own = FILE_TYPES.get(Number(header.metadata.get('general.file_type')))
  for (const [quantisation, bits] of BITS_PER_WEIGHT) {
    const sizeBytes = Math.ceil((weights * bits) / 8)
    if (quantisation === own || sizeBytes >= weightsBytes) continue
    if (totalBytes - weightsBytes + sizeBytes <= freeBytes) return { quantisation, sizeBytes }
  }
  return null
}

/** `5.2 GB (weights 4.4 GB, …)`. */
export function needsText({ totalBytes, ...needs }: Needs): string {
  const cache = `KV cache of ${needs.sequences} × ${needs.contextTokens} tokens`
  const parts = [
    `weights ${sizeText(needs.weightsBytes)}`,
    `${cache} ${sizeText(needs.kvBytes)}`,
    `compute ${sizeText(needs.computeBytes)}`,
    `process ${sizeText(needs.processBytes)}`,
  ]
  return `${sizeText(totalBytes)} (${parts.join(', ')})`
}

/** What to do with a model that does not fit, as a sentence. */
export function nextBest({ contextTokens, shrinkTo: shrink }: FitAdvice, path: string): string {
  const options = [
    contextTokens === null ? [] : `load it with a context of ${contextTokens} tokens`,
    shrink === null
      ? []
      : `shrink it with: freehold shrink ${path} --to ${shrink.quantisation} (about ${sizeText(shrink.sizeBytes)})`,
  ].flat()
  if (options.length === 0) return 'Choose a smaller model: freehold models lists some.'
  const text = options.join(', or ')
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

/**
 * Refuses a model that would not fit, before anything is loaded: else the system would kill what
 * loads it, or others.
 * @throws ModelError with the numbers and the next-best choice
 */
export function requireFit(
  header: GgufHeader,
  init: FitInit,
  free: FreeMemory,
  path: string,
): void {
  const advice = adviseFit(header, init, free.availableBytes)
  if (advice.mark !== 'too big') return
  const limit = free.source === 'cgroup' ? ' under the limit that this process has' : ''
  throw new ModelError({
    what: 'the model does not fit into memory',
    why: `it needs ${needsText(advice.needs)}, and ${sizeText(free.availableBytes)} are free${limit}`,
    next: nextBest(advice, path),
  })
}
