import type { Model } from '../engine/engine.ts'
import { generate } from '../engine/generate.ts'
import type { Random } from '../platform.ts'
import { type CalibrationTable, CELLS, cellOf } from './calibration.ts'
import { type ReplayedPosition, replay } from './replay.ts'
import { HARD_MARGIN } from './statistics.ts'

export interface CalibrateInit {
  /** Prompts, as ids; each is asked of every lender. */
  prompts: readonly (readonly number[])[]
  maxTokens: number
  temperature: number
  conditions: string
  /** Honest models that replay each answer, taken in turn so that every pair occurs. @default all */
  auditorsPerAnswer?: number | undefined
  signal?: AbortSignal | undefined
  onAnswer?: ((done: number, all: number) => void) | undefined
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

interface Answer {
  kind: string
  promptIds: readonly number[]
  ids: number[]
  /** Seed that the auditor believes in. */
  seed: Uint8Array
}

/**
 * Measures how margins fall for honest lenders and for each cheat, replayed by the honest models.
 * `honest[0]` decides what the table is for.
 */
export async function calibrate(
  parts: CalibrateParts,
  init: CalibrateInit,
): Promise<CalibrationTable> {
  const { honest, cheats, random } = parts
  const [first] = honest
  if (first === undefined) throw new RangeError('a calibration needs an honest model')
  const all = (honest.length + Object.keys(cheats).length) * init.prompts.length
  let done = 0
  const ask = async (model: Model, kind: string): Promise<Answer[]> => {
    const answers: Answer[] = []
    for (const promptIds of init.prompts) {
      const seed = random(32)
      const ids = await generateIds(model, promptIds, seed, init)
      answers.push({ kind, promptIds, ids, seed })
      init.onAnswer?.(++done, all)
    }
    return answers
  }
  const counts = new Map<string, number[]>()
  const honestMargins: ReplayedPosition[][] = []
  const judge = async (answers: readonly Answer[]) => {
    for (const [i, answer] of answers.entries()) {
      for (const auditor of auditorsOf(i, honest, init.auditorsPerAnswer ?? honest.length)) {
        const positions = await replay(auditor, { ...answer, ...init })
        const cells = counts.get(answer.kind) ?? new Array<number>(CELLS).fill(0)
        for (const cell of positions.map(cellOf)) cells[cell] = (cells[cell] ?? 0) + 1
        counts.set(answer.kind, cells)
        if (answer.kind === 'honest') honestMargins.push(positions)
      }
    }
  }
  for (const lender of honest) {
    const answers = await ask(lender, 'honest')
    await judge(answers)
    // Judged under a seed that they were not made with, the same answers are the first cheat.
    await judge(answers.map((answer) => ({ ...answer, kind: SEED_IGNORED, seed: random(32) })))
  }
  for (const [kind, model] of Object.entries(cheats)) await judge(await ask(model, kind))
  const { honest: honestCells = [], ...others } = Object.fromEntries(counts)
  return {
    modelId: first.info.modelId,
    modelName: first.info.name,
    lenderBackend: first.info.profile.backend,
    auditorBackend: first.info.profile.backend,
    conditions: init.conditions,
    honest: honestCells,
    cheats: others,
    failLines: failLines(honestMargins.flat(), random),
  }
}

async function generateIds(
  model: Model,
  promptIds: readonly number[],
  seed: Uint8Array,
  { temperature, maxTokens, signal }: CalibrateInit,
): Promise<number[]> {
  await using sequence = await model.openSequence({ signal })
  const { endIds } = model.info
  const ids: number[] = []
  const tokens = generate(sequence, { promptIds, seed, temperature, maxTokens, endIds, signal })
  for await (const { id } of tokens) ids.push(id)
  return ids
}

/** Lines that no calibration goes below: the highest honest ones measured on other models. */
const LEAST_LINES = { 32: 0.034, 64: 0.023, 128: 0.017, 256: 0.012, 512: 0.009 }
const DRAWS = 10_000
/** Honest answers beyond the calibration's own: the line is set this much above the worst draw. */
const SAFETY = 1.5

/** The worst of 10,000 honest answers put together from measured positions, for each length. */
function failLines(positions: readonly ReplayedPosition[], random: Random) {
  const margins = positions.map(({ margin }) => margin)
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

/** `count` of the auditors, starting one further with each answer: over many, all get their turn. */
function auditorsOf(answer: number, auditors: readonly Model[], count: number): Model[] {
  const step = Math.max(1, Math.floor(auditors.length / count))
  return Array.from(
    { length: Math.min(count, auditors.length) },
    (_, k) => auditors[(answer + k * step) % auditors.length] as Model,
  )
}
