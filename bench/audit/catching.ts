import type { CalibrationTable } from '../../packages/core/src/audit/calibration.ts'
import { summarise } from '../../packages/core/src/audit/statistics.ts'
import {
  addToPool,
  EMPTY_POOL,
  judgeAnswer,
  judgePool,
  weigh,
} from '../../packages/core/src/audit/verdict.ts'
import type { AuditedAnswer } from './cheats.ts'
import { WINDOW } from './honest-pair.ts'

/** How soon one way to cheat is found out. */
export interface Catching {
  kind: string
  /** Audited tokens until the verdict is fail, for half and for 99 in 100 of the lenders; null: more than `MAX_TOKENS`. */
  tokensMedian: number | null
  tokens99: number | null
  /** Answers that these 99 in 100 took. */
  answers99: number | null
  mismatchPercent: number
  meanClippedMargin: number
}

/** A lender that was not found out by then counts as not caught. */
export const MAX_TOKENS = 16_384
const LENDERS = 1_000

/**
 * Plays lenders that always cheat in one way: their answers in random order, audited piece by
 * piece, as one grows by streaming, until the pooled verdict fails.
 */
export function measureCatching(
  kind: string,
  answers: readonly AuditedAnswer[],
  table: CalibrationTable,
  random: () => number,
): Catching {
  const pieces = answers.map((answer) => piecesOf(answer, table))
  const caught = Array.from({ length: LENDERS }, () => effortUntilFail(pieces, random))
  const all = answers.flatMap(({ positions }) => positions)
  const { matches, meanClippedMargin } = summarise(all, null)
  const at = (share: number, of: 'tokens' | 'answers') => {
    const sorted = caught.map((effort) => effort[of]).sort((a, b) => a - b)
    const found = sorted[Math.ceil(share * LENDERS) - 1] ?? Infinity
    return Number.isFinite(found) ? found : null
  }
  return {
    kind,
    tokensMedian: at(0.5, 'tokens'),
    tokens99: at(0.99, 'tokens'),
    answers99: at(0.99, 'answers'),
    mismatchPercent: 100 * (1 - matches),
    meanClippedMargin,
  }
}

interface Piece {
  tokens: number
  evidence: ReturnType<typeof weigh>
  /** Whether the answer fails by itself once this piece has come. */
  isFailed: boolean
}

/** An answer as it is after each `WINDOW` tokens, and at its end. */
function piecesOf({ positions, isEnded }: AuditedAnswer, table: CalibrationTable): Piece[] {
  const pieces: Piece[] = []
  for (let from = 0; from < positions.length; from += WINDOW) {
    const soFar = positions.slice(0, from + WINDOW)
    const init = { isEnded: isEnded && soFar.length === positions.length }
    pieces.push({
      tokens: soFar.length - from,
      evidence: weigh(soFar.slice(from), table, init),
      isFailed: judgeAnswer(soFar, summarise(soFar, null), table, init).verdict === 'fail',
    })
  }
  return pieces
}

/** Infinite when the lender gets away. */
interface Effort {
  tokens: number
  answers: number
}

const NEVER: Effort = { tokens: Infinity, answers: Infinity }

function effortUntilFail(answers: readonly (readonly Piece[])[], random: () => number): Effort {
  let pool = EMPTY_POOL
  let tokens = 0
  for (let count = 1; ; count++) {
    const answer = answers[Math.floor(random() * answers.length)] ?? []
    for (const piece of answer) {
      tokens += piece.tokens
      if (tokens > MAX_TOKENS) return NEVER
      pool = addToPool(pool, piece.evidence)
      if (piece.isFailed || judgePool(pool) === 'fail') return { tokens, answers: count }
    }
    if (answer.length === 0) return NEVER
  }
}
