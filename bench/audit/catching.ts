import type { CalibrationTable } from '../../packages/core/src/audit/calibration.ts'
import type { ReplayedPosition } from '../../packages/core/src/audit/replay.ts'
import { summarise } from '../../packages/core/src/audit/statistics.ts'
import {
  addToPool,
  EMPTY_POOL,
  judgeAnswer,
  judgePool,
  weigh,
} from '../../packages/core/src/audit/verdict.ts'
import { WINDOW } from './honest-pair.ts'

/** How soon one way to cheat is found out. */
export interface Catching {
  kind: string
  /** Audited tokens until the verdict is fail, for half and for 99 in 100 of the lenders; null: more than `MAX_TOKENS`. */
  tokensMedian: number | null
  tokens99: number | null
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
  answers: readonly (readonly ReplayedPosition[])[],
  table: CalibrationTable,
  random: () => number,
): Catching {
  const pieces = answers.map((positions) => piecesOf(positions, table))
  const caught = Array.from({ length: LENDERS }, () => tokensUntilFail(pieces, random))
  caught.sort((a, b) => a - b)
  const all = answers.flat()
  const { matches, meanClippedMargin } = summarise(all, null)
  const at = (share: number) => {
    const tokens = caught[Math.ceil(share * LENDERS) - 1] ?? Infinity
    return tokens > MAX_TOKENS ? null : tokens
  }
  return {
    kind,
    tokensMedian: at(0.5),
    tokens99: at(0.99),
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
function piecesOf(positions: readonly ReplayedPosition[], table: CalibrationTable): Piece[] {
  const pieces: Piece[] = []
  for (let from = 0; from < positions.length; from += WINDOW) {
    const soFar = positions.slice(0, from + WINDOW)
    pieces.push({
      tokens: soFar.length - from,
      evidence: weigh(soFar.slice(from), table),
      isFailed: judgeAnswer(soFar, summarise(soFar, null), table).verdict === 'fail',
    })
  }
  return pieces
}

function tokensUntilFail(answers: readonly (readonly Piece[])[], random: () => number): number {
  let pool = EMPTY_POOL
  let tokens = 0
  while (tokens <= MAX_TOKENS) {
    const answer = answers[Math.floor(random() * answers.length)] ?? []
    for (const piece of answer) {
      tokens += piece.tokens
      pool = addToPool(pool, piece.evidence)
      if (piece.isFailed || judgePool(pool) === 'fail') return tokens
    }
    if (answer.length === 0) return Infinity
  }
  return Infinity
}
