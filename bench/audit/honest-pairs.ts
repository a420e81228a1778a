import { type CalibrationTable, findTable } from '../../packages/core/src/audit/calibration.ts'
import {
  auditReading,
  type Dice,
  type Reading,
  readByDecoding,
  readByPrefill,
  type Text,
  throwDice,
  writeText,
} from '../../packages/core/src/audit/readings.ts'
import { promptIdsOf } from '../../packages/core/src/device/text.ts'
import { systemRandom } from '../../packages/core/src/platform.ts'
import { chooseToken } from '../../packages/core/src/sampling/gumbel.ts'
import type { LoadedModel } from './devices.ts'
import { type HonestPair, HonestTally, WINDOW } from './honest-pair.ts'

export interface HonestInit {
  /** Each lends by decoding and audits by prefill. */
  variants: readonly LoadedModel[]
  /** Lends to several at once. */
  batched: LoadedModel
  /** Id by id both ways: one reading serves the lender and the auditor. */
  page: LoadedModel
  tables: readonly CalibrationTable[]
  questions: readonly string[]
  maxTokens: number
  temperature: number
  /** The least number of audits of each pair. */
  audits: number
  say: (text: string) => void
}

export interface HonestFigures {
  pairs: HonestPair[]
  /** Mean entropy of the next token over the texts, in nats, at temperature 1 over the top 64. */
  entropyNats: number
}

/** What every honest lender looks like to every auditor. */
export async function measureHonestPairs(init: HonestInit): Promise<HonestFigures> {
  const { variants, batched, page, temperature, maxTokens, say } = init
  const [{ model: first }] = variants as [LoadedModel]
  const texts: Text[] = []
  for (const content of init.questions) {
    const promptIds = await promptIdsOf(first, [{ role: 'user', content }])
    const seed = systemRandom(32)
    texts.push(await writeText(first, { promptIds, seed, temperature, maxTokens }))
  }
  const readAll = async (how: typeof readByPrefill, { model }: LoadedModel) => {
    const readings: Reading[] = []
    for (const text of texts) readings.push(await how(model, text))
    return readings
  }
  const lenders = new Map<string, Reading[]>()
  const auditors = new Map<string, Reading[]>()
  for (const variant of variants) {
    lenders.set(variant.name, await readAll(readByDecoding, variant))
    auditors.set(variant.name, await readAll(readByPrefill, variant))
    say(`  ${variant.name} read ${texts.length} texts`)
  }
  // Asked for at once, they wait for each other's steps and share batches.
  const together = await Promise.all(texts.map((text) => readByDecoding(batched.model, text)))
  lenders.set(batched.name, together)
  const inPage = await readAll(readByPrefill, page)
  lenders.set(page.name, inPage)
  auditors.set(page.name, inPage)
  say(`  ${page.name} read ${texts.length} texts`)

  const judges = new Map([...variants, page].map(({ name, model }) => [name, model.info]))
  const tallies = [...lenders.keys()].flatMap((lender) =>
    [...auditors.keys()].map((auditor) => {
      const judge = judges.get(auditor) ?? first.info
      // No table is for a page that lends: what it would lend is judged like a CPU's.
      const table = findTable(init.tables, judge.modelId, first.info.profile, judge.profile)
      if (table === undefined) throw new Error(`no table for ${lender} audited by ${auditor}`)
      return { lender, auditor, tally: new HonestTally({ lender, auditor }, table) }
    }),
  )
  /** Wherever the dice end the text, an honest answer would have ended. */
  const endsOf = (reading: Reading = [], dice: Dice) =>
    new Set(
      reading.flatMap((top, t) =>
        first.info.endIds.includes(chooseToken(top, dice(t), temperature)) ? [t] : [],
      ),
    )
  const inAll = texts.reduce((sum, { ids }) => sum + Math.floor(ids.length / WINDOW), 0)
  const throws = Math.ceil(init.audits / inAll)
  for (const [i] of texts.entries()) {
    for (let n = 0; n < throws; n++) {
      const dice = throwDice(systemRandom)
      const both = { lender: dice, auditor: dice }
      const ends = new Map([...lenders].map(([lender, lent]) => [lender, endsOf(lent[i], dice)]))
      for (const { lender, auditor, tally } of tallies) {
        const pair = {
          lender: lenders.get(lender)?.[i] ?? [],
          auditor: auditors.get(auditor)?.[i] ?? [],
        }
        const positions = auditReading(pair, both, temperature)
        tally.add(
          positions,
          positions.filter((_, t) => ends.get(lender)?.has(t)),
        )
      }
    }
  }
  return { pairs: tallies.map(({ tally }) => tally.figures()), entropyNats: entropyOf(texts) }
}

function entropyOf(texts: readonly Text[]): number {
  const each = texts.flatMap(({ reading }) =>
    reading.map(({ logits }) => {
      const weights = Array.from(logits, (logit) => Math.exp(logit - (logits[0] ?? 0)))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      return weights.reduce(
        (sum, w) => (w === 0 ? sum : sum - (w / total) * Math.log(w / total)),
        0,
      )
    }),
  )
  return each.reduce((sum, entropy) => sum + entropy, 0) / each.length
}
