import type { Profile } from '../engine/engine.ts'
import type { ReplayedPosition } from './replay.ts'

/**
 * How margins fall for an honest lender and for each known way to cheat, measured by
 * `bench -- calibrate` on the real models. A position's cell is (gap, margin): where the auditor's
 * own choice is far ahead, agreement proves little; where it is narrow, honest noise flips it.
 */
export interface CalibrationTable {
  modelId: string
  modelName: string
  lenderBackend: Profile['backend']
  auditorBackend: Profile['backend']
  /** What was paired, for the reader. */
  conditions: string
  /** Counts by cell of honest answers. */
  honest: readonly number[]
  /** Counts by cell of each way to cheat that may convict. */
  cheats: Readonly<Record<string, readonly number[]>>
  /** Counts by cell of ends of text where the model would have gone on; none: not measured. */
  earlyStop: readonly number[]
  /** Ways to cheat that were measured and may not convict, as honest devices come too near, and why. */
  leftOut: Readonly<Record<string, string>>
  /** Highest honest mean clipped margin for answers of at least so many tokens, with its safety factor. */
  failLines: readonly { tokens: number; meanClippedMargin: number; hard: number }[]
}

/**
 * Upper edges of the gap classes, in logits; one more class lies above the last. They go far up,
 * because the text decides alone there: a match where everybody would say the same weighs nothing.
 */
export const GAP_EDGES = [0.05, 0.15, 0.4, 1, 2, 4, 8, 16] as const
/** Upper edges of the margin classes of a mismatch; one more above, one for `isOut`. Class 0 is a match. */
export const MARGIN_EDGES = [0.05, 0.15, 0.4, 1] as const
const MARGIN_CLASSES = MARGIN_EDGES.length + 3
export const CELLS = (GAP_EDGES.length + 1) * MARGIN_CLASSES

function classOf(value: number, edges: readonly number[]): number {
  const found = edges.findIndex((edge) => value <= edge)
  return found === -1 ? edges.length : found
}

/** Index of a position's cell, 0 to `CELLS` - 1. */
export function cellOf({ gap, margin, isOut }: ReplayedPosition): number {
  const marginClass = isOut
    ? MARGIN_CLASSES - 1
    : margin === 0
      ? 0
      : 1 + classOf(margin, MARGIN_EDGES)
  return classOf(gap, GAP_EDGES) * MARGIN_CLASSES + marginClass
}

/** No single token may weigh more than this (nats): rare cells are known least. */
const MAX_WEIGHT = 4

/**
 * Log-likelihood ratio of each cell, cheat against honest, of the margin given the gap (so that
 * the mix of easy and hard text does not count as evidence). Half a count is added to every cell.
 */
export function cellWeights(honest: readonly number[], cheat: readonly number[]): number[] {
  return honest.map((_, cell) => {
    const row = Math.floor(cell / MARGIN_CLASSES) * MARGIN_CLASSES
    const weight = Math.log(conditional(cheat, cell, row) / conditional(honest, cell, row))
    return Math.max(-MAX_WEIGHT, Math.min(MAX_WEIGHT, weight))
  })
}

/** What an early stop is told by: in one of so many answers is the text cut short. */
const STOPS_EARLY = 1 / 8

/**
 * Log-likelihood ratio of each cell of an answer's end, for a lender that cuts some of its answers
 * short: a true end says little for it, since others may be cut.
 */
export function endingWeights(honest: readonly number[], cut: readonly number[]): number[] {
  return honest.map((_, cell) => {
    const row = Math.floor(cell / MARGIN_CLASSES) * MARGIN_CLASSES
    const ratio = conditional(cut, cell, row) / conditional(honest, cell, row)
    return Math.min(MAX_WEIGHT, Math.log(1 - STOPS_EARLY + STOPS_EARLY * ratio))
  })
}

/** Mean weight of the counted positions, in nats; 0 when there are none. */
export function meanWeight(weights: readonly number[], counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const sum = counts.reduce((nats, count, cell) => nats + count * (weights[cell] ?? 0), 0)
  return total === 0 ? 0 : sum / total
}

function conditional(counts: readonly number[], cell: number, row: number): number {
  const total = counts.slice(row, row + MARGIN_CLASSES).reduce((sum, count) => sum + count, 0)
  return ((counts[cell] ?? 0) + 0.5) / (total + 0.5 * MARGIN_CLASSES)
}

/** Which table judges this pair, if any was measured; all were measured with a KV cache of f16. */
export function findTable(
  tables: readonly CalibrationTable[],
  modelId: string,
  lender: Pick<Profile, 'backend' | 'kvType'>,
  auditor: Pick<Profile, 'backend' | 'kvType'>,
): CalibrationTable | undefined {
  return tables.find(
    (table) =>
      table.modelId === modelId &&
      table.lenderBackend === lender.backend &&
      table.auditorBackend === auditor.backend &&
      lender.kvType === 'f16' &&
      auditor.kvType === 'f16',
  )
}
