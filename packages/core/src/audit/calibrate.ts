import type { Model } from '../engine/engine.ts'
import type { Random } from '../platform.ts'
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
import type { ReplayedPosition } from './replay.ts'
import { HARD_MARGIN } from './statistics.ts'

export interface CalibrateInit {
  /** Prompts, as ids; the model and each cheat answer all of them. */
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
  /** The same model under every numeric variant that can be had; each lends and each audits. */
  honest: readonly Model[]
  /** What a dishonest lender would serve instead, by name. */
  cheats: Readonly<Record<string, Model>>
  random: Random
}

/** The cheat that every table knows: tokens by dice of the lender's own. */
export const SEED_IGNORED = 'seed-ignored'

/**
 * Measures how margins fall for honest lenders and for each cheat, as the honest models see them:
 * every pair of lender (reading token by token) and auditor (reading all at once).
 * `honest[0]` writes the text of honest lenders and decides what the table is for.
 */
export async function calibrate(
  parts: CalibrateParts,
  init: CalibrateInit,
): Promise<CalibrationTable> {
  const { honest, cheats, random } = parts
  const { temperature, throws = 1 } = init
  const [first] = honest
  if (first === undefined) throw new RangeError('a calibration needs an honest model')
  const kinds = Object.keys(cheats).length
  const all = init.prompts.length * (2 * honest.length + kinds * (1 + honest.length))
  let done = 0
  const read = async <T, R>(inputs: readonly T[], how: (input: T) => Promise<R>) => {
    const results: R[] = []
    for (const input of inputs) {
      results.push(await how(input))
      init.onText?.(++done, all)
    }
    return results
  }
  const write = (model: Model): Promise<Text[]> =>
    read(init.prompts, (promptIds) => writeText(model, { ...init, promptIds, seed: random(32) }))
  const audit = async (texts: readonly Text[]): Promise<Reading[][]> => {
    const readings: Reading[][] = []
    for (const model of honest) {
      readings.push(await read(texts, (text) => readByPrefill(model, text, init)))
    }
    return readings
  }
  const counts = new Map<string, number[]>()
  const honestMargins: number[] = []
  const count = (kind: string, positions: readonly ReplayedPosition[]) => {
    const cells = counts.get(kind) ?? new Array<number>(CELLS).fill(0)
    for (const cell of positions.map(cellOf)) cells[cell] = (cells[cell] ?? 0) + 1
    counts.set(kind, cells)
  }

  const texts = await write(first)
  const lenders = [texts.map((text) => text.reading)]
  for (const model of honest.slice(1)) {
    lenders.push(await read(texts, (text) => readByDecoding(model, text, init)))
  }
  const auditors = await audit(texts)
  for (const [i] of texts.entries()) {
    for (let n = 0; n < throws; n++) {
      const [agreed, own] = [throwDice(random), throwDice(random)]
      for (const [lender, auditor] of pairs(lenders, auditors, i)) {
        const judge = (dice: Dice) =>
          auditReading({ lender, auditor }, { lender: dice, auditor: agreed }, temperature)
        const positions = judge(agreed)
        count('honest', positions)
        honestMargins.push(...positions.map(({ margin }) => margin))
        count(SEED_IGNORED, judge(own))
      }
    }
  }
  for (const [kind, model] of Object.entries(cheats)) {
    const served = await write(model)
    const lender = [served.map((text) => text.reading)]
    const views = await audit(served)
    for (const [i] of served.entries()) {
      for (let n = 0; n < throws; n++) {
        const dice = throwDice(random)
        for (const [reading, auditor] of pairs(lender, views, i)) {
          const both = { lender: dice, auditor: dice }
          count(kind, auditReading({ lender: reading, auditor }, both, temperature))
        }
      }
    }
  }
  const { honest: honestCells = [], ...others } = Object.fromEntries(counts)
  return {
    modelId: first.info.modelId,
    modelName: first.info.name,
    lenderBackend: first.info.profile.backend,
    auditorBackend: first.info.profile.backend,
    conditions: init.conditions,
    honest: honestCells,
    cheats: others,
    failLines: failLines(honestMargins, random),
  }
}

/** Every lender with every auditor, on text `i`. */
function* pairs(
  lenders: readonly (readonly Reading[])[],
  auditors: readonly (readonly Reading[])[],
  i: number,
): Generator<[lender: Reading, auditor: Reading]> {
  for (const lender of lenders) {
    for (const auditor of auditors) yield [lender[i] as Reading, auditor[i] as Reading]
  }
}

/** Lines that no calibration goes below: the highest honest ones measured on other models. */
const LEAST_LINES = { 32: 0.034, 64: 0.023, 128: 0.017, 256: 0.012, 512: 0.009 }
const DRAWS = 10_000
/** Honest answers beyond the calibration's own: the line is set this much above the worst draw. */
const SAFETY = 1.5

/** The worst of 10,000 honest answers put together from measured positions, for each length. */
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
