import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CalibrationTable } from '../packages/core/src/audit/calibration.ts'
import { CALIBRATION } from '../packages/core/src/audit/calibration-tables.ts'
import {
  auditReading,
  type Reading,
  readByDecoding,
  readByPrefill,
  throwDice,
  writeText,
} from '../packages/core/src/audit/readings.ts'
import { promptIdsOf } from '../packages/core/src/device/text.ts'
import { systemRandom } from '../packages/core/src/platform.ts'
import { type Quantisation, quantise } from '../packages/node/src/engine/quantise.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { type Catching, measureCatching } from './audit/catching.ts'
import { type CheatAnswers, deceitfulAnswers, otherModelAnswers } from './audit/cheats.ts'
import { createLoader, type LoadedModel } from './audit/devices.ts'
import { type HonestPair, HonestTally, WINDOW } from './audit/honest-pair.ts'
import { renderChart, renderPage } from './audit/report.ts'
import { type Bench, type BenchContext, goal, type Machine, machine } from './bench.ts'
import { UNSEEN_PROMPTS } from './prompts.ts'

const MAX_ANSWER_TOKENS = 256
const TEMPERATURE = 1
const BATCH_WIDTH = 8
/** Dice over each cheat's text. */
const THROWS = 4
const COARSER: readonly Quantisation[] = ['Q5_K_M', 'Q4_K_M', 'Q2_K']
const DOCS = fileURLToPath(new URL('../docs/', import.meta.url))

/** What one model's audits are worth. */
export interface ModelReport {
  model: string
  table: string
  pairs: HonestPair[]
  cheats: Catching[]
}

/** What the figures were measured on. */
export interface AuditConditions extends Machine {
  temperature: number
  questions: number
  tokensPerAudit: number
  auditsPerPair: number
}

/**
 * How good audits are: false alarms of every pair of honest devices, and how soon each way to
 * cheat is found out. Questions are none of those that the tables were made from.
 * `--audits N` of each pair, `--model NAME`, `--write` renews docs/audits.md.
 */
export const auditBench: Bench = {
  summary: 'false alarms between honest devices, and tokens until each way to cheat is found out',
  run: async ({ args, say }) => {
    const option = (name: string) =>
      args.includes(name) ? args[args.indexOf(name) + 1] : undefined
    const audits = Number(option('--audits') ?? 3_000)
    const only = option('--model')
    const folder = await mkdtemp(join(tmpdir(), 'freehold-audit-'))
    try {
      // All at once: an engine leaves one core free.
      const names = only === undefined ? ['acorn', 'acorn-small'] : [only]
      const reports = await Promise.all(
        names.map((name) => reportOn(name, { folder, audits, say })),
      )
      const conditions: AuditConditions = {
        ...machine(),
        temperature: TEMPERATURE,
        questions: UNSEEN_PROMPTS.length,
        tokensPerAudit: WINDOW,
        auditsPerPair: Math.min(...reports.flatMap(({ pairs }) => pairs.map((p) => p.audits))),
      }
      if (args.includes('--write')) {
        await mkdir(DOCS, { recursive: true })
        await writeFile(join(DOCS, 'audits.svg'), renderChart(reports))
        await writeFile(join(DOCS, 'audits.md'), renderPage(reports, conditions))
      }
      return {
        conditions: { ...conditions },
        figures: Object.fromEntries(reports.map((report) => [report.model, report])),
        goals: reports.flatMap(goalsOf),
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

function goalsOf({ model, pairs, cheats }: ModelReport) {
  const alarms = pairs.reduce((sum, pair) => sum + pair.falseAlarms, 0)
  const pools = pairs.filter(({ isPoolFailed }) => isPoolFailed).length
  const soon = (kind: string, tokens: number) => {
    const found = cheats.find((cheat) => cheat.kind === kind)?.tokens99 ?? Infinity
    return goal(`${model}: tokens to catch 99 of 100, ${kind}`, `<= ${tokens}`, found)
  }
  return [
    goal(`${model}: honest audits that failed`, '<= 0', alarms),
    goal(`${model}: honest pairs whose pool failed`, '<= 0', pools),
    soon('seed ignored', 64),
    soon('Q2_K', 12 * 128),
    ...(cheats.some(({ kind }) => kind === 'smaller model')
      ? [soon('smaller model', 12 * 128)]
      : []),
  ]
}

async function reportOn(
  name: string,
  { folder, audits, say }: { folder: string; audits: number; say: BenchContext['say'] },
): Promise<ModelReport> {
  const path = BUNDLED[name] ?? name
  await using loader = createLoader()
  const variants = await loader.loadVariants(path)
  const [first] = variants as [LoadedModel]
  const { info } = first.model
  const table = CALIBRATION.find(({ modelId }) => modelId === info.modelId)
  if (table === undefined) throw new Error(`${name} has no table: run bench -- calibrate --write`)
  const batched = await loader.load(path, { sequences: BATCH_WIDTH })
  say(`${name}: honest pairs`)
  const pairs = await honestPairs(
    variants,
    { name: `batches of ${BATCH_WIDTH}`, model: batched },
    {
      table,
      audits,
      say,
    },
  )
  const auditors = [first, variants.at(-2) ?? first].map(({ model }) => model)
  const init = {
    questions: UNSEEN_PROMPTS,
    maxTokens: MAX_ANSWER_TOKENS,
    temperature: TEMPERATURE,
    throws: THROWS,
  }
  const cheats: CheatAnswers[] = await deceitfulAnswers(first.model, auditors, init)
  for (const quantisation of COARSER) {
    say(`${name}: ${quantisation}`)
    const file = join(folder, `${name}-${quantisation}.gguf`)
    await quantise(path, file, quantisation)
    const served = await loader.load(file)
    cheats.push(await otherModelAnswers(quantisation, served, auditors, init))
  }
  if (name === 'acorn') {
    const served = await loader.load(BUNDLED['acorn-small'] ?? '')
    cheats.push(await otherModelAnswers('smaller model', served, auditors, init))
  }
  return {
    model: info.name,
    table: table.conditions,
    pairs,
    cheats: cheats.map(({ kind, answers }) => measureCatching(kind, answers, table, unit)),
  }
}

/** Uniform from 0 to 1. */
function unit(): number {
  return new DataView(systemRandom(4).buffer).getUint32(0) / 2 ** 32
}

async function honestPairs(
  variants: readonly LoadedModel[],
  batched: LoadedModel,
  { table, audits, say }: { table: CalibrationTable; audits: number; say: BenchContext['say'] },
): Promise<HonestPair[]> {
  const [first] = variants as [LoadedModel]
  const texts = await Promise.all(
    UNSEEN_PROMPTS.map(async (content) => {
      const promptIds = await promptIdsOf(first.model, [{ role: 'user', content }])
      const seed = systemRandom(32)
      const init = { promptIds, seed, temperature: TEMPERATURE, maxTokens: MAX_ANSWER_TOKENS }
      return writeText(first.model, init)
    }),
  )
  const lenders = new Map<string, Reading[]>()
  const auditors = new Map<string, Reading[]>()
  for (const { name, model } of variants) {
    const decoded: Reading[] = []
    const prefilled: Reading[] = []
    for (const text of texts) decoded.push(await readByDecoding(model, text))
    for (const text of texts) prefilled.push(await readByPrefill(model, text))
    lenders.set(name, decoded)
    auditors.set(name, prefilled)
    say(`  ${name} read ${texts.length} texts`)
  }
  // Asked for at once, they wait for each other's steps and share batches.
  const together = await Promise.all(texts.map((text) => readByDecoding(batched.model, text)))
  lenders.set(batched.name, together)

  const tallies = new Map<string, HonestTally>()
  for (const lender of lenders.keys()) {
    for (const auditor of auditors.keys()) {
      tallies.set(`${lender}/${auditor}`, new HonestTally({ lender, auditor }, table))
    }
  }
  const inAll = texts.reduce((sum, { ids }) => sum + Math.floor(ids.length / WINDOW), 0)
  const throws = Math.ceil(audits / inAll)
  for (const [i] of texts.entries()) {
    for (let n = 0; n < throws; n++) {
      const dice = throwDice(systemRandom)
      for (const [lender, decoded] of lenders) {
        for (const [auditor, prefilled] of auditors) {
          const pair = { lender: decoded[i] as Reading, auditor: prefilled[i] as Reading }
          const both = { lender: dice, auditor: dice }
          tallies.get(`${lender}/${auditor}`)?.add(auditReading(pair, both, TEMPERATURE))
        }
      }
    }
  }
  return [...tallies.values()].map((tally) => tally.figures())
}
