import { calibrate } from '../../packages/core/src/audit/calibrate.ts'
import type { CalibrationTable } from '../../packages/core/src/audit/calibration.ts'
import { promptIdsOf } from '../../packages/core/src/device/text.ts'
import type { Model } from '../../packages/core/src/engine/engine.ts'
import { systemRandom } from '../../packages/core/src/platform.ts'
import type { LoadedModel } from './devices.ts'

export interface TablesInit {
  name: string
  /** The model under each CPU variant. */
  variants: readonly LoadedModel[]
  /** The model in WebAssembly: it audits, and lends nothing. */
  page: LoadedModel
  /** What dishonest lenders serve, by kind. */
  served: Readonly<Record<string, Model>>
  prompts: readonly string[]
  maxTokens: number
  temperature: number
  /** Dice over each text: more of them than texts, because reading is what takes time. */
  throws: number
  say: (text: string) => void
}

/** A page reads id by id: of so many texts it reads one, with as many more throws of dice. */
const PAGE_READS_ONE_OF = 2

/** Measures one table for each kind of auditor: the CPU variants, and a page. */
export async function measureTables(init: TablesInit): Promise<CalibrationTable[]> {
  const { name, variants, page, served, say } = init
  const [{ model: first }] = variants as [LoadedModel]
  const prompts = await Promise.all(
    init.prompts.map((content) => promptIdsOf(first, [{ role: 'user', content }])),
  )
  const lenders = variants.map(({ model }) => model)
  const cheats = Object.fromEntries(
    Object.entries(served).map(([kind, model]) => [tableKind(kind), model]),
  )
  const names = variants.map((variant) => variant.name).join('; ')
  const tables: CalibrationTable[] = []
  for (const [auditing, auditors, share] of [
    ['each audits by prefill', lenders, 1],
    ['WebAssembly audits', [page.model], PAGE_READS_ONE_OF],
  ] as const) {
    const texts = prompts.filter((_, i) => i % share === 0)
    const throws = init.throws * share
    const table = await calibrate(
      { lenders, auditors, cheats, random: systemRandom },
      {
        prompts: texts,
        throws,
        maxTokens: init.maxTokens,
        temperature: init.temperature,
        conditions: `each of ${names} lends by decoding, ${auditing}, in every pair; ${texts.length} texts, ${throws} throws of dice on each, temperature ${init.temperature}`,
        onText: (done, all) => {
          if (done % 50 === 0 || done === all) say(`${name}, ${auditing}: ${done} of ${all} texts`)
        },
      },
    )
    for (const [kind, why] of Object.entries(table.leftOut)) {
      say(`${name}, ${auditing}: ${kind} is left out: ${why}`)
    }
    tables.push(table)
  }
  return tables
}

/** The name of a kind in tables. */
export function tableKind(kind: string): string {
  return kind.toLowerCase().replaceAll(' ', '-')
}
