import type { Verdict } from '../wire/frames.ts'
import {
  type CalibrationTable,
  cellOf,
  cellWeights,
  endingWeights,
  GAP_EDGES,
  meanWeight,
} from './calibration.ts'
import type { ReplayedPosition } from './replay.ts'
import { type AuditStatistics, HARD_MARGIN } from './statistics.ts'

/** Convict at a million to one for each way to cheat that is tried; clear at one to a hundred. */
const CONVICT = Math.log(1e6)
const CLEAR = -Math.log(100)

/** Fewer tokens than this decide nothing alone. */
const LEAST_TOKENS = 32

/**
 * A pass speaks of the cheats that honest text of this length clears on average. Finer ones can be
 * convicted by many answers, but no single one tells them from honesty.
 */
const USUAL_TOKENS = 128

/** The kind that stands for texts which the lender cut short: shown by their ends alone. */
export const EARLY_STOP = 'early-stop'

/**
 * Evidence against a lender, added up over its answers: log-likelihood ratio (nats) of each way
 * to cheat against honesty. A long honest past is worth no more than `FLOOR`: it buys no cheating.
 */
export interface EvidencePool {
  answers: number
  tokens: number
  llr: Record<string, number>
  /**
   * What the same cheat would have earned on average at the same gaps, which tells how much the text
   * can show; of the cheats that an answer can tell, which are those that a pass speaks of.
   */
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

export interface AnswerInit {
  /** The lender says that the last token ends the text. @default false */
  isEnded?: boolean | undefined
}

/** What the positions of one answer add to a pool. */
export function weigh(
  positions: readonly ReplayedPosition[],
  table: CalibrationTable,
  { isEnded = false }: AnswerInit = {},
): EvidencePool {
  const { kinds, endings } = scalesOf(table)
  const llr: Record<string, number> = {}
  const expected: Record<string, number> = {}
  const cells = positions.map(cellOf)
  for (const { kind, weights, means, isTold } of kinds) {
    let sum = 0
    let mean = 0
    for (const cell of cells) {
      sum += weights[cell] ?? 0
      mean += means[Math.floor((cell * means.length) / weights.length)] ?? 0
    }
    llr[kind] = sum
    if (isTold) expected[kind] = mean
  }
  if (endings !== null) llr[EARLY_STOP] = isEnded ? (endings[cells.at(-1) ?? -1] ?? 0) : 0
  return { answers: 1, tokens: positions.length, llr, expected }
}

/** What one way to cheat is weighed by. */
interface Scale {
  kind: string
  /** By cell. */
  weights: readonly number[]
  /** By class of gaps. */
  means: readonly number[]
  /** An answer of usual length tells it from honesty. */
  isTold: boolean
}

const SCALES = new WeakMap<CalibrationTable, ReturnType<typeof makeScales>>()

function scalesOf(table: CalibrationTable) {
  const scales = SCALES.get(table) ?? makeScales(table)
  SCALES.set(table, scales)
  return scales
}

function makeScales({ honest, cheats, earlyStop }: CalibrationTable) {
  const kinds = Object.entries(cheats).map(([kind, counts]): Scale => {
    const weights = cellWeights(honest, counts)
    const isTold = USUAL_TOKENS * meanWeight(weights, honest) <= CLEAR
    return { kind, weights, means: rowMeans(weights, counts), isTold }
  })
  return { kinds, endings: earlyStop.length === 0 ? null : endingWeights(honest, earlyStop) }
}

/** Mean weight of a cheat's tokens in each class of gaps. */
function rowMeans(weights: readonly number[], counts: readonly number[]): number[] {
  const rows = GAP_EDGES.length + 1
  const width = weights.length / rows
  return Array.from({ length: rows }, (_, row) => {
    const [from, to] = [row * width, (row + 1) * width]
    return meanWeight(weights.slice(from, to), counts.slice(from, to))
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
export function judgePool({ llr, expected }: EvidencePool): Verdict {
  const ratios = Object.values(llr)
  if (ratios.length === 0) return 'pending'
  // Several ways to cheat are tried at once: the line rises with their number.
  if (Math.max(...ratios) >= CONVICT + Math.log(ratios.length)) return 'fail'
  const told = Object.keys(expected).map((kind) => llr[kind] ?? 0)
  const isCleared = told.length > 0 && Math.max(...told) <= CLEAR
  return isCleared && (llr[EARLY_STOP] ?? 0) <= 0 ? 'pass' : 'pending'
}

/**
 * Judges one answer. Fail needs a likelihood of a million to one or numbers beyond every honest
 * line; pass needs enough text to tell honesty from each cheat that an answer can tell, and no end
 * that the model would not have made; all else is pending.
 */
export function judgeAnswer(
  positions: readonly ReplayedPosition[],
  statistics: AuditStatistics,
  table: CalibrationTable | undefined,
  init: AnswerInit = {},
): Judgement {
  if (table === undefined) {
    return {
      verdict: 'pending',
      why: 'no calibration for this model and pair of back-ends',
      llr: {},
    }
  }
  const pool = weigh(positions, table, init)
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
  const worst = (kinds: readonly string[]) =>
    kinds.map((kind) => [kind, llr[kind] ?? 0] as const).sort(([, a], [, b]) => b - a)[0]
  const all = Object.keys(llr)
  const told = Object.keys(pool.expected)
  const isCut = (llr[EARLY_STOP] ?? 0) > 0
  const shown = verdict === 'fail' ? all : isCut ? [EARLY_STOP] : told
  const [kind, ratio] = worst(shown) ?? ['', 0]
  const odds = `log-likelihood of ${kind} against honest ${ratio.toFixed(1)}`
  const why = {
    fail: `${odds}: more than a million to one`,
    pass: `${odds}: an honest lender is over a hundred times likelier than any cheat that an answer can tell`,
    pending: isCut
      ? `${odds}: the model would hardly have ended there`
      : `${odds}: too little text to tell them apart`,
  }[verdict]
  return { verdict, why, llr }
}
