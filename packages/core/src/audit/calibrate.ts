import type { Model, TopLogits } from '../engine/engine.ts'
import type { Random } from '../platform.ts'
import { chooseToken } from '../sampling/gumbel.ts'
import { type CalibrationTable, CELLS, cellOf } from './calibration.ts'
import {
  auditReading,
  type Dice,
  type Reading,
  readByDecoding,
  readByPrefill,
  type Text,
  throwDice,
  writeText,
} from './readings.ts'
import { judgeToken, type ReplayedPosition } from './replay.ts'
import { screenCheats } from './screen-cheats.ts'
import { HARD_MARGIN } from './statistics.ts'

export interface CalibrateInit {
  /** Prompts, as ids; the first lender and each cheat answer all of them. */
  prompts: readonly (readonly number[])[]
  maxTokens: number
  temperature: number
  conditions: string
  /** How often dice are thrown over each text. @default 1 */
  throws?: number | undefined
  signal?: AbortSignal | undefined
  /** Called after each text that was read by one model. */
  onText?: ((done: number, all: number) => void) | undefined
}

export interface CalibrateParts {
  /** The same model under every numeric variant that lends; the first writes the texts. */
  lenders: readonly Model[]
  /** The same model under every numeric variant that audits. @default the lenders */
  auditors?: readonly Model[] | undefined
  /** What a dishonest lender would serve instead, by name. */
  cheats: Readonly<Record<string, Model>>
  random: Random
}

/** The cheat that every table knows: tokens by dice of the lender's own. */
export const SEED_IGNORED = 'seed-ignored'

/** Places in each text, for each throw, where a lender ends it too soon. */
const CUTS = 4

/**
 * Measures how margins fall for honest lenders and for each cheat, as the auditors see them: every
 * pair of lender (reading token by token) and auditor (reading all at once). The first of each
 * decides which back-ends the table is for. A cheat may convict only if every honest pair alone
 * drifts away from it: pools grow without end, and each pair is somebody's pool.
 */
export async function calibrate(
  parts: CalibrateParts,
  init: CalibrateInit,
): Promise<CalibrationTable> {
  const { lenders: lending, auditors: auditing = lending, cheats, random } = parts
  const { temperature, throws = 1 } = init
  const [first] = lending
  const [judge] = auditing
  if (first === undefined || judge === undefined) {
    throw new RangeError('a calibration needs an honest lender and an auditor')
  }
  const kinds = Object.keys(cheats).length
  const each = lending.length + auditing.length + kinds * (1 + auditing.length)
  let done = 0
  const read = async <T, R>(inputs: readonly T[], how: (input: T) => Promise<R>) => {
    const results: R[] = []
    for (const input of inputs) {
      results.push(await how(input))
      init.onText?.(++done, init.prompts.length * each)
    }
    return results
  }
  const write = (model: Model): Promise<Text[]> =>
    read(init.prompts, (promptIds) => writeText(model, { ...init, promptIds, seed: random(32) }))
  const audit = async (texts: readonly Text[]): Promise<Reading[][]> => {
    const readings: Reading[][] = []
    for (const model of auditing) {
      readings.push(await read(texts, (text) => readByPrefill(model, text, init)))
    }
    return readings
  }

  const texts = await write(first)
  const lenders = [texts.map((text) => text.reading)]
  for (const model of lending.slice(1)) {
    lenders.push(await read(texts, (text) => readByDecoding(model, text, init)))
  }
  const auditors = await audit(texts)
  const honest: Cells[] = []
  const margins: number[][] = []
  const counts: Record<string, Cells> = { [SEED_IGNORED]: newCells() }
  const cut = newCells()
  for (const [i] of texts.entries()) {
    for (let n = 0; n < throws; n++) {
      const [agreed, others] = [throwDice(random), throwDice(random)]
      const places = Array.from({ length: CUTS }, () => new DataView(random(4).buffer).getUint32(0))
      for (const [at, [lender, auditor]] of pairs(lenders, auditors, i).entries()) {
        const found = (dice: Dice) =>
          auditReading({ lender, auditor }, { lender: dice, auditor: agreed }, temperature)
        const positions = found(agreed)
        const cells = honest[at] ?? newCells()
        honest[at] = cells
        count(cells, positions)
        const own = margins[at] ?? []
        margins[at] = own
        for (const { margin } of positions) own.push(margin)
        count(counts[SEED_IGNORED] as Cells, found(others))
        for (const place of places) {
          const t = place % auditor.length
          const end = likeliestEnd(first, lender[t] as TopLogits)
          const isDue = end === chooseToken(lender[t] as TopLogits, agreed(t), temperature)
          if (end === undefined || isDue) continue
          count(cut, [judgeToken(auditor[t] as TopLogits, end, agreed(t), temperature)])
        }
      }
    }
  }
  for (const [kind, model] of Object.entries(cheats)) {
    const served = await write(model)
    const lender = [served.map((text) => text.reading)]
    const views = await audit(served)
    const cells = newCells()
    counts[kind] = cells
    for (const [i] of served.entries()) {
      for (let n = 0; n < throws; n++) {
        const dice = throwDice(random)
        for (const [reading, auditor] of pairs(lender, views, i)) {
          const both = { lender: dice, auditor: dice }
          count(cells, auditReading({ lender: reading, auditor }, both, temperature))
        }
      }
    }
  }
  return {
    modelId: first.info.modelId,
    modelName: first.info.name,
    lenderBackend: first.info.profile.backend,
    auditorBackend: judge.info.profile.backend,
    conditions: init.conditions,
    ...screenCheats(honest, counts, cut.some((number) => number > 0) ? cut : []),
    failLines: failLines(roughest(margins), random),
  }
}

type Cells = number[]

function newCells(): Cells {
  return new Array<number>(CELLS).fill(0)
}

function count(cells: Cells, positions: readonly ReplayedPosition[]): void {
  for (const cell of positions.map(cellOf)) cells[cell] = (cells[cell] ?? 0) + 1
}

/** Every lender with every auditor, on text `i`. */
function pairs(
  lenders: readonly (readonly Reading[])[],
  auditors: readonly (readonly Reading[])[],
  i: number,
): [lender: Reading, auditor: Reading][] {
  return lenders.flatMap((lender) =>
    auditors.map((auditor): [Reading, Reading] => [lender[i] as Reading, auditor[i] as Reading]),
  )
}

/** The end of text that is the easiest to pretend; any, when none is near. */
function likeliestEnd({ info }: Model, top: TopLogits): number | undefined {
  return top.ids.find((id) => info.endIds.includes(id)) ?? info.endIds[0]
}

/** The margins of the pair that is furthest off: it is somebody's lender and auditor, not an average. */
function roughest(pairs: readonly (readonly number[])[]): readonly number[] {
  const mean = (margins: readonly number[]) =>
    margins.reduce((sum, margin) => sum + Math.min(margin, 1), 0) / Math.max(1, margins.length)
  return pairs.reduce((worst, pair) => (mean(pair) > mean(worst) ? pair : worst), pairs[0] ?? [])
}

/** Lines that no calibration goes below: the highest honest ones measured on other models. */
const LEAST_LINES = { 32: 0.034, 64: 0.023, 128: 0.017, 256: 0.012, 512: 0.009 }
const DRAWS = 10_000
/** Honest answers beyond the calibration's own: the line is set this much above the worst draw. */
const SAFETY = 1.5

/** The worst of 10,000 honest answers put together from positions of one pair, for each length. */
function failLines(margins: readonly number[], random: Random) {
  if (margins.length === 0) return []
  return Object.entries(LEAST_LINES).map(([length, leastLine]) => {
    const tokens = Number(length)
    let worst = 0
    let hard = 0
    for (let draw = 0; draw < DRAWS; draw++) {
      const picks = new Uint32Array(random(4 * tokens).buffer)
      let sum = 0
      let drawHard = 0
      for (const pick of picks) {
        const margin = margins[pick % margins.length] ?? 0
        sum += Math.min(margin, 1)
        if (margin > HARD_MARGIN) drawHard++
      }
      worst = Math.max(worst, sum / tokens)
      hard = Math.max(hard, drawHard)
    }
    return { tokens, meanClippedMargin: Math.max(leastLine, SAFETY * worst), hard: hard + 2 }
  })
}
