import type { ReplayedPosition } from './replay.ts'

/** A margin at which a token cannot be honest noise any more, in logits. */
export const HARD_MARGIN = 0.5

/** The numbers of one audit, over all its positions. */
export interface AuditStatistics {
  positions: number
  /** Mean of min(margin, 1): the statistic of Token-DiFR. */
  meanClippedMargin: number
  /** Share of tokens that are the auditor's own seeded choice. */
  matches: number
  /** Tokens with a margin above 0.5. */
  hard: number
  /** Tokens that are no candidates. */
  out: number
  /** Mean and 99th percentile of |lender's - auditor's| log-probability in nats; null when not opened. */
  lpMeanDelta: number | null
  lpP99Delta: number | null
}

/** @param lps the lender's opened log-probabilities in 1/1000 nat, when there are any */
export function summarise(
  positions: readonly ReplayedPosition[],
  lps: readonly number[] | null,
): AuditStatistics {
  const count = positions.length
  const mean = (of: (position: ReplayedPosition) => number): number =>
    count === 0 ? 0 : positions.reduce((sum, position) => sum + of(position), 0) / count
  const deltas =
    lps === null ? [] : positions.map(({ lpMilli }, t) => Math.abs(lpMilli - (lps[t] ?? 0)) / 1_000)
  deltas.sort((a, b) => a - b)
  const hasDeltas = deltas.length > 0
  return {
    positions: count,
    meanClippedMargin: mean(({ margin }) => Math.min(margin, 1)),
    matches: mean(({ margin }) => (margin === 0 ? 1 : 0)),
    hard: positions.filter(({ margin }) => margin > HARD_MARGIN).length,
    out: positions.filter(({ isOut }) => isOut).length,
    lpMeanDelta: hasDeltas ? deltas.reduce((sum, delta) => sum + delta, 0) / deltas.length : null,
    lpP99Delta: hasDeltas
      ? (deltas[Math.min(deltas.length - 1, Math.floor(deltas.length * 0.99))] ?? null)
      : null,
  }
}
