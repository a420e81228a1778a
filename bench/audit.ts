import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CalibrationTable, findTable } from '../packages/core/src/audit/calibration.ts'
import { CALIBRATION } from '../packages/core/src/audit/calibration-tables.ts'
import { systemRandom } from '../packages/core/src/platform.ts'
import { type Catching, measureCatching } from './audit/catching.ts'
import { renderChart } from './audit/chart.ts'
import { deceitfulAnswers, otherModelAnswers } from './audit/cheats.ts'
import { createLoader, type LoadedModel } from './audit/devices.ts'
import { type HonestPair, WINDOW } from './audit/honest-pair.ts'
import { measureHonestPairs } from './audit/honest-pairs.ts'
import { renderPage } from './audit/report.ts'
import { prepareSubject, SYNTHETIC } from './audit/subjects.ts'
import { measureTables } from './audit/tables.ts'
import { type Bench, type BenchContext, goal, type Machine, machine } from './bench.ts'
import { STORY_PROMPTS, UNSEEN_PROMPTS } from './prompts.ts'

const TEMPERATURE = 1
const BATCH_WIDTH = 8
/** Dice over each text that a table is made from, and over each cheat's text. */
const TABLE_THROWS = 8
const CHEAT_THROWS = 4
const DOCS = fileURLToPath(new URL('../docs/', import.meta.url))

interface Extent {
  questions: number
  /** Texts for a table of one's own; 0: it has committed tables. */
  tableTexts: number
  maxTokens: number
}

/** Much choice in each token makes up for fewer of them, which a larger model takes long to read. */
const EXTENTS: Record<string, Extent> = {
  [SYNTHETIC]: { questions: 5, tableTexts: 6, maxTokens: 128 },
}
const USUAL: Extent = { questions: UNSEEN_PROMPTS.length, tableTexts: 0, maxTokens: 256 }

/** What one model's audits are worth. */
export interface ModelReport {
  model: string
  /** Mean entropy of its next token, in nats. */
  entropyNats: number
  questions: number
  tables: readonly CalibrationTable[]
  pairs: HonestPair[]
  cheats: Catching[]
}

/** What the figures were measured on. */
export interface AuditConditions extends Machine {
  temperature: number
  tokensPerAudit: number
  auditsPerPair: number
}

/**
 * How good audits are: false alarms of every pair of honest devices, and how soon each way to
 * cheat is found out. Questions are none of those that the tables were made from.
 * `--audits N` of each pair, `--questions N` at most, `--model NAME`, `--write` renews docs/audits.md.
 */
export const auditBench: Bench = {
  summary: 'false alarms between honest devices, and tokens until each way to cheat is found out',
  run: async ({ args, say }) => {
    const option = (name: string) =>
      args.includes(name) ? args[args.indexOf(name) + 1] : undefined
    const audits = Number(option('--audits') ?? 3_000)
    const most = Number(option('--questions') ?? Infinity)
    const only = option('--model')
    const folder = await mkdtemp(join(tmpdir(), 'freehold-audit-'))
    try {
      // All at once: an engine leaves one core free.
      const names = only === undefined ? ['acorn', 'acorn-small', SYNTHETIC] : [only]
      const reports = await Promise.all(
        names.map((name) => reportOn(name, { folder, audits, most, say })),
      )
      const conditions: AuditConditions = {
        ...machine(),
        temperature: TEMPERATURE,
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

interface ReportInit {
  folder: string
  audits: number
  /** Questions, of those that there are. */
  most: number
  say: BenchContext['say']
}

async function reportOn(
  name: string,
  { folder, audits, most, say }: ReportInit,
): Promise<ModelReport> {
  const { tableTexts, maxTokens, ...extent } = EXTENTS[name] ?? USUAL
  const questions = Math.min(most, extent.questions)
  const subject = await prepareSubject(name, folder)
  await using loader = createLoader()
  const variants = await loader.loadVariants(subject.path)
  const page = await loader.loadPage(subject.path)
  const served = await loader.loadAll(subject.served)
  const [first] = variants as [LoadedModel]
  const { info } = first.model
  const each = { variants, page, maxTokens, temperature: TEMPERATURE, say }
  const tables =
    tableTexts === 0
      ? CALIBRATION.filter(({ modelId }) => modelId === info.modelId)
      : await measureTables({
          ...each,
          name,
          served,
          prompts: STORY_PROMPTS.slice(0, Math.min(most, tableTexts)),
          throws: TABLE_THROWS,
        })
  const table = findTable(tables, info.modelId, info.profile, info.profile)
  if (table === undefined) throw new Error(`${name} has no table: run bench -- calibrate --write`)
  say(`${name}: honest pairs`)
  const model = await loader.load(subject.path, { sequences: BATCH_WIDTH })
  const batched = { name: `batches of ${BATCH_WIDTH}`, model }
  const unseen = UNSEEN_PROMPTS.slice(0, questions)
  const honest = await measureHonestPairs({ ...each, batched, tables, questions: unseen, audits })
  const auditors = [first, variants.at(-2) ?? first].map((variant) => variant.model)
  const init = { questions: unseen, maxTokens, temperature: TEMPERATURE, throws: CHEAT_THROWS }
  say(`${name}: ways to cheat`)
  const cheats = await deceitfulAnswers(first.model, auditors, init)
  for (const [kind, other] of Object.entries(served)) {
    say(`${name}: ${kind}`)
    cheats.push(await otherModelAnswers(kind, other, auditors, init))
  }
  return {
    model: info.name,
    questions,
    tables,
    ...honest,
    cheats: cheats.map(({ kind, answers }) => measureCatching(kind, answers, table, unit)),
  }
}

/** Uniform from 0 to 1. */
function unit(): number {
  return new DataView(systemRandom(4).buffer).getUint32(0) / 2 ** 32
}
