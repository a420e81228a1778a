import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { calibrate } from '../packages/core/src/audit/calibrate.ts'
import { type CalibrationTable, cellWeights } from '../packages/core/src/audit/calibration.ts'
import { promptIdsOf } from '../packages/core/src/device/text.ts'
import type { Model } from '../packages/core/src/engine/engine.ts'
import { systemRandom } from '../packages/core/src/platform.ts'
import { listCpuVariants } from '../packages/node/src/engine/cpu-variants.ts'
import { quantise } from '../packages/node/src/engine/quantise.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import { createLoader, type LoadedModel } from './audit/devices.ts'
import { type Bench, type BenchContext, goal, machine } from './bench.ts'
import { PLAIN_PROMPTS, STORY_PROMPTS } from './prompts.ts'

const TABLES = fileURLToPath(
  new URL('../packages/core/src/audit/calibration-tables.ts', import.meta.url),
)
const MAX_TOKENS = 256
const TEMPERATURE = 1
/** Dice over each text: more of them than texts, because reading is what takes time. */
const THROWS = 4

/** Calibrates audits for both bundled models: `--write` renews the committed tables. */
export const calibrateBench: Bench = {
  summary: 'margins of honest lenders and of cheats, for the tables that audits judge by',
  run: async ({ args, say }) => {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-calibrate-'))
    try {
      // Both at once: an engine leaves one core free.
      const tables = await Promise.all(
        ['acorn', 'acorn-small'].map((name) => calibrateModel(name, folder, { args, say })),
      )
      if (args.includes('--write')) await writeFile(TABLES, render(tables))
      const variants = (await listCpuVariants()).map((variant) => variant.name)
      return {
        conditions: {
          ...machine(),
          variants,
          temperature: TEMPERATURE,
          maxTokens: MAX_TOKENS,
          prompts: STORY_PROMPTS.length + PLAIN_PROMPTS.length,
        },
        figures: Object.fromEntries(tables.map((table) => [table.modelName, figures(table)])),
        goals: tables.map((table) =>
          goal(
            `${table.modelName}: tokens to catch an ignored seed`,
            '<= 64',
            toCatch(table, 'seed-ignored'),
          ),
        ),
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function calibrateModel(
  name: string,
  folder: string,
  { say }: BenchContext,
): Promise<CalibrationTable> {
  const path = BUNDLED[name] ?? name
  const coarse = join(folder, `${name}-q2_k.gguf`)
  await quantise(path, coarse, 'Q2_K')
  await using loader = createLoader()
  const honest = await loader.loadVariants(path)
  const cheats: Record<string, Model> = { q2_k: await loader.load(coarse) }
  if (name === 'acorn') {
    cheats['smaller-model'] = await loader.load(BUNDLED['acorn-small'] ?? '')
  }
  const [{ model: first }] = honest as [LoadedModel]
  const prompts = await Promise.all(
    [...STORY_PROMPTS, ...PLAIN_PROMPTS].map((content) =>
      promptIdsOf(first, [{ role: 'user', content }]),
    ),
  )
  const names = honest.map((variant) => variant.name)
  return await calibrate(
    { honest: honest.map(({ model }) => model), cheats, random: systemRandom },
    {
      prompts,
      throws: THROWS,
      maxTokens: MAX_TOKENS,
      temperature: TEMPERATURE,
      conditions: `each of ${names.join('; ')} lends by decoding and audits by prefill, in every pair; ${prompts.length} texts, ${THROWS} throws of dice on each, temperature ${TEMPERATURE}`,
      onText: (done, all) => {
        if (done % 50 === 0 || done === all) say(`${name}: ${done} of ${all} texts read`)
      },
    },
  )
}

/** Mean log-likelihood ratio that one token of a cheat adds, in nats. */
function nats(table: CalibrationTable, kind: string): number {
  const counts = table.cheats[kind] ?? []
  const weights = cellWeights(table.honest, counts)
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((sum, count, cell) => sum + count * (weights[cell] ?? 0), 0) / total
}

function toCatch(table: CalibrationTable, kind: string): number {
  const line = Math.log(1e6 * Object.keys(table.cheats).length)
  return Math.ceil(line / nats(table, kind))
}

function figures(table: CalibrationTable) {
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
  return {
    honestPositions: sum(table.honest),
    failLines: table.failLines,
    cheats: Object.fromEntries(
      Object.entries(table.cheats).map(([kind, counts]) => [
        kind,
        {
          positions: sum(counts),
          natsPerToken: nats(table, kind),
          tokensToCatch: toCatch(table, kind),
        },
      ]),
    ),
  }
}

function render(tables: readonly CalibrationTable[]): string {
  return `import type { CalibrationTable } from './calibration.ts'

// Generated by \`npm run bench -- calibrate --write\`; do not edit.
// biome-ignore format: rows of numbers
export const CALIBRATION: readonly CalibrationTable[] = ${JSON.stringify(tables, null, 1).replace(
    /\[[\s\d,]+\]/g,
    (list) => list.replace(/\s+/g, ''),
  )}
`
}
