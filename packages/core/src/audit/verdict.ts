import type { Verdict } from '../wire/frames.ts'
import { type CalibrationTable, cellOf, cellWeights, GAP_EDGES } from './calibration.ts'
import type { ReplayedPosition } from './replay.ts'
import { type AuditStatistics, HARD_MARGIN } from './statistics.ts'

/** Convict at a million to one for each way to cheat that is tried; clear at one to a hundred. */
const CONVICT = Math.log(1e6)
const CLEAR = -Math.log(100)

/** Fewer tokens than this decide nothing alone. */
const LEAST_TOKENS = 32

/**
 * Evidence against a lender, added up over its answers: log-likelihood ratio (nats) of each way
 * to cheat against honesty. A long honest past is worth no more than `FLOOR`: it buys no cheating.
 */
export interface EvidencePool {
  answers: number
  tokens: number
  llr: Record<string, number>
  /** What the same cheat would have earned on average at the same gaps; tells how much the text can show. */
  expected: Record<string, number>
}
const FLOOR = 2 * CLEAR

export const EMPTY_POOL: EvidencePool = { answers: 0, tokens: 0, llr: {}, expected: {} }

export interface Judgement {
  verdict: Verdict
  /** In a sentence. */
  why: string
  /** This answer alone, nats by way to cheat. */
  llr: Record<string, number>
}

/** What the positions of one answer add to a pool. */
export function weigh(
  positions: readonly ReplayedPosition[],
  table: CalibrationTable,
): EvidencePool {
  const llr: Record<string, number> = {}
  const expected: Record<string, number> = {}
  for (const [kind, counts] of Object.entries(table.cheats)) {
    const weights = cellWeights(table.honest, counts)
    const rows = rowMeans(weights, counts)
    llr[kind] = 0
    expected[kind] = 0
    for (const position of positions) {
      const cell = cellOf(position)
      llr[kind] += weights[cell] ?? 0
      expected[kind] += rows[Math.floor((cell * rows.length) / weights.length)] ?? 0
    }
  }
  return { answers: 1, tokens: positions.length, llr, expected }
}

/** Mean weight of a cheat's tokens in each class of gaps. */
function rowMeans(weights: readonly number[], counts: readonly number[]): number[] {
  const rows = GAP_EDGES.length + 1
  const width = weights.length / rows
  return Array.from({ length: rows }, (_, row) => {
    const from = row * width
    const total = counts.slice(from, from + width).reduce((sum, count) => sum + count, 0)
    if (total === 0) return 0
    let sum = 0
    for (let i = from; i < from + width; i++) sum += (weights[i] ?? 0) * (counts[i] ?? 0)
    return sum / total
  })
}

export function addToPool(pool: EvidencePool, answer: EvidencePool): EvidencePool {
  const sum = (a: Record<string, number>, b: Record<string, number>, floor: number) =>
    Object.fromEntries(
      Object.keys({ ...a, ...b }).map((kind) => [
        kind,
        Math.max(floor, (a[kind] ?? 0) + (b[kind] ?? 0)),
      ]),
    )
  return {
    answers: pool.answers + answer.answers,
    tokens: pool.tokens + answer.tokens,
    llr: sum(pool.llr, answer.llr, FLOOR),
    expected: sum(pool.expected, answer.expected, -Infinity),
  }
}

/** The verdict that log-likelihood ratios give. */
export function judgePool(pool: EvidencePool): Verdict {
  const ratios = Object.values(pool.llr)
  if (ratios.length === 0) return 'pending'
  // Several ways to cheat are tried at once: the line rises with their number.
  const worst = Math.max(...ratios)
  if (worst >= CONVICT + Math.log(ratios.length)) return 'fail'
  return worst <= CLEAR ? 'pass' : 'pending'
}

/**
 * Judges one answer. Fail needs a likelihood of a million to one or numbers beyond every honest
 * line; pass needs enough text to tell honesty from each known cheat; all else is pending.
 */
export function judgeAnswer(
  positions: readonly ReplayedPosition[],
  statistics: AuditStatistics,
  table: CalibrationTable | undefined,
): Judgement {
  if (table === undefined) {
    return {
      verdict: 'pending',
      why: 'no calibration for this model and pair of back-ends',
      llr: {},
    }
  }
  const pool = weigh(positions, table)
  const { llr } = pool
  if (positions.length < LEAST_TOKENS) {
    return { verdict: 'pending', why: `fewer than ${LEAST_TOKENS} tokens`, llr }
  }
  const line = table.failLines.findLast(({ tokens }) => tokens <= positions.length)
  const { meanClippedMargin, hard } = statistics
  if (line !== undefined && meanClippedMargin > line.meanClippedMargin) {
    const why = `mean clipped margin ${meanClippedMargin.toFixed(4)} is above ${line.meanClippedMargin.toFixed(4)}`
    return { verdict: 'fail', why, llr }
  }
  const mostHard = line && (line.hard * positions.length) / line.tokens
  if (mostHard !== undefined && hard > mostHard) {
    const why = `${hard} tokens are off by more than ${HARD_MARGIN}, honest answers have at most ${mostHard.toFixed(0)}`
    return { verdict: 'fail', why, llr }
  }
  const verdict = judgePool(pool)
  const [kind, ratio] = Object.entries(llr).sort(([, a], [, b]) => b - a)[0] ?? ['', 0]
  const odds = `log-likelihood of ${kind} against honest ${ratio.toFixed(1)}`
  const why = {
    fail: `${odds}: more than a million to one`,
    pass: `${odds}: an honest lender is over a hundred times likelier than any known cheat`,
    pending: `${odds}: too little text to tell them apart`,
  }[verdict]
  return { verdict, why, llr }
}
