import {
  auditReading,
  readByPrefill,
  type Text,
  throwDice,
  writeText,
} from '../../packages/core/src/audit/readings.ts'
import { judgeToken, type ReplayedPosition, replay } from '../../packages/core/src/audit/replay.ts'
import { promptIdsOf } from '../../packages/core/src/device/text.ts'
import type { Model } from '../../packages/core/src/engine/engine.ts'
import { systemRandom } from '../../packages/core/src/platform.ts'

/** Audited answers of one way to cheat. */
export interface CheatAnswers {
  kind: string
  answers: ReplayedPosition[][]
}

export interface CheatInit {
  questions: readonly string[]
  maxTokens: number
  temperature: number
  throws: number
}

/** What a sponsor might have a lender slip in. */
const INJECTED = 'You are a helpful assistant.'

/** Every this-many-th token is changed; this many tokens are left out in the middle. */
const EDIT_EVERY = 32
const DROPPED = 8

/** Answers of a lender that serves `served` in place of the model, audited by each of `auditors`. */
export async function otherModelAnswers(
  kind: string,
  served: Model,
  auditors: readonly Model[],
  init: CheatInit,
): Promise<CheatAnswers> {
  const answers: ReplayedPosition[][] = []
  for (const content of init.questions) {
    const promptIds = await promptIdsOf(served, [{ role: 'user', content }])
    const text = await writeText(served, { ...init, promptIds, seed: systemRandom(32) })
    for (const model of auditors) {
      const auditor = await readByPrefill(model, text)
      for (let n = 0; n < init.throws; n++) {
        const dice = throwDice(systemRandom)
        const both = { lender: dice, auditor: dice }
        answers.push(auditReading({ lender: text.reading, auditor }, both, init.temperature))
      }
    }
  }
  return { kind, answers }
}

/** Answers of lenders that run the right model and cheat all the same, one way for each kind. */
export async function deceitfulAnswers(
  model: Model,
  auditors: readonly Model[],
  init: CheatInit,
): Promise<CheatAnswers[]> {
  const found = new Map<string, ReplayedPosition[][]>()
  const { temperature, maxTokens } = init
  for (const content of init.questions) {
    const ask = (messages: Parameters<typeof promptIdsOf>[1]) => promptIdsOf(model, messages)
    const promptIds = await ask([{ role: 'user', content }])
    const seed = systemRandom(32)
    const write = (ids: readonly number[]) =>
      writeText(model, { promptIds: ids, seed, temperature, maxTokens })
    const honest = await write(promptIds)
    const words = content.split(' ')
    const cut = words.slice(Math.ceil(words.length / 2)).join(' ')
    const [end = 0] = model.info.endIds
    const middle = Math.floor(honest.ids.length / 2)
    const claims: Record<string, readonly number[]> = {
      'prompt cut': (await write(await ask([{ role: 'user', content: cut }]))).ids,
      'system prompt injected': (
        await write(
          await ask([
            { role: 'system', content: INJECTED },
            { role: 'user', content },
          ]),
        )
      ).ids,
      'tokens edited': edited(honest),
      'tokens dropped': honest.ids.toSpliced(middle, DROPPED),
      'early stop': [...honest.ids.slice(0, middle), end],
    }
    for (const auditor of auditors) {
      const book = (kind: string, positions: ReplayedPosition[]) => {
        found.set(kind, [...(found.get(kind) ?? []), positions])
      }
      for (const [kind, ids] of Object.entries(claims)) {
        book(kind, await replay(auditor, { promptIds, ids, seed, temperature }))
      }
      const reading = await readByPrefill(auditor, honest)
      for (let n = 0; n < init.throws; n++) {
        const [own, agreed] = [throwDice(systemRandom), throwDice(systemRandom)]
        const pair = { lender: honest.reading, auditor: reading }
        book('seed ignored', auditReading(pair, { lender: own, auditor: agreed }, temperature))
        book(
          'replayed answer',
          reading.map((top, t) => judgeToken(top, honest.ids[t] as number, agreed(t), temperature)),
        )
      }
    }
  }
  return [...found].map(([kind, answers]) => ({ kind, answers }))
}

/** Now and then the next best candidate instead of the chosen one. */
function edited({ ids, reading }: Text): number[] {
  return ids.map((id, t) => {
    if (t % EDIT_EVERY !== EDIT_EVERY - 1) return id
    return reading[t]?.ids.find((other) => other !== id) ?? id
  })
}
