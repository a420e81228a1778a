import {
  CELLS,
  cellOf,
  cellWeights,
  endingWeights,
  GAP_EDGES,
  MARGIN_EDGES,
} from '../../packages/core/src/audit/calibration.ts'
import { CALIBRATION } from '../../packages/core/src/audit/calibration-tables.ts'
import type { ReplayedPosition } from '../../packages/core/src/audit/replay.ts'
import { summarise } from '../../packages/core/src/audit/statistics.ts'
import { EARLY_STOP, judgeAnswer, weigh } from '../../packages/core/src/audit/verdict.ts'

const GAPS = [0, 0.05, 0.2, 1.5, 7, 20]
const MARGINS = [0, 0.01, 0.05, 0.3, 0.8, 2]

/** The tables that audits judge by, where a position falls in them, and verdicts that follow. */
export function auditVectors() {
  const table = CALIBRATION[0]
  if (table === undefined) throw new Error('there is no table')
  const positions = GAPS.flatMap((gap) => MARGINS.map((margin) => position(gap, margin)))
  const outside = { ...position(1.5, 0), margin: Infinity, isOut: true }
  const plain = new Array<ReplayedPosition>(96).fill(position(0.3, 0))
  const answers: [positions: ReplayedPosition[], isEnded: boolean][] = [
    [plain, false],
    [new Array<ReplayedPosition>(96).fill(position(20, 0)), false],
    [Array.from({ length: 96 }, (_, i) => position(0.7, i % 3 === 0 ? 0.3 : 0)), false],
    [new Array<ReplayedPosition>(31).fill(position(0.3, 2)), false],
    [plain, true],
    [[...plain, position(0.7, 2)], true],
  ]
  return {
    gapEdges: GAP_EDGES,
    marginEdges: MARGIN_EDGES,
    cells: CELLS,
    positions: [...positions, outside].map((at) => ({ ...shown(at), cell: cellOf(at) })),
    weights: [
      ...Object.entries(table.cheats).map(
        ([cheat, counts]) => [cheat, cellWeights(table.honest, counts)] as const,
      ),
      [EARLY_STOP, endingWeights(table.honest, table.earlyStop)] as const,
    ].map(([cheat, nats]) => ({
      modelId: table.modelId,
      cheat,
      // To six places: logarithms may differ in the last.
      nats: nats.map((value) => Number(value.toFixed(6))),
    })),
    passSpeaksOf: CALIBRATION.map((each) => ({
      modelId: each.modelId,
      lenderBackend: each.lenderBackend,
      auditorBackend: each.auditorBackend,
      cheats: Object.keys(weigh([], each).expected),
    })),
    verdicts: answers.map(([answer, isEnded]) => {
      const init = { isEnded }
      const { verdict, llr } = judgeAnswer(answer, summarise(answer, null), table, init)
      const rounded = Object.entries(llr).map(([kind, nats]) => [kind, Number(nats.toFixed(3))])
      return {
        modelId: table.modelId,
        answer: runs(answer),
        isEnded,
        verdict,
        llr: Object.fromEntries(rounded),
      }
    }),
    tables: CALIBRATION,
  }
}

function position(gap: number, margin: number): ReplayedPosition {
  return { gap, margin, isOut: false, lpMilli: 0 }
}

/** JSON has no infinity: what is out has no margin. */
function shown({ gap, margin, isOut }: ReplayedPosition) {
  return { gap, margin: isOut ? null : margin, isOut }
}

/** Positions in a row that are the same, with their number. */
function runs(positions: readonly ReplayedPosition[]) {
  const found: { count: number; gap: number; margin: number }[] = []
  for (const { gap, margin } of positions) {
    const last = found.at(-1)
    if (last?.gap === gap && last.margin === margin) last.count++
    else found.push({ count: 1, gap, margin })
  }
  return found
}
