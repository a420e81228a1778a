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
import { stepNoise } from '../../packages/core/src/sampling/gumbel.ts'

/** An answer as an auditor sees it. */
export interface AuditedAnswer {
  positions: readonly ReplayedPosition[]
  /** The lender says that its last token ends the text. */
  isEnded: boolean
}

/** Audited answers of one way to cheat. */
export interface CheatAnswers {
  kind: string
  answers: AuditedAnswer[]
}

export interface CheatInit {
  questions: readonly string[]
  maxTokens: number
  temperature: number
  throws: number
}

/** What a sponsor might have a lender slip in. */
const INJECTED = 'You are a helpful assistant.'

const EARLY = 'early stop'
const NOW_AND_THEN = 'early stop, one answer in four'

/** Every this-many-th token is changed; this many tokens are left out in the middle. */
const EDIT_EVERY = 32
const DROPPED = 8

/** A lender that stops early now and then: so many whole answers for each that it cuts. */
const WHOLE_FOR_EACH_CUT = 3

/** Answers of a lender that serves `served` in place of the model, audited by each of `auditors`. */
export async function otherModelAnswers(
  kind: string,
  served: Model,
  auditors: readonly Model[],
  init: CheatInit,
): Promise<CheatAnswers> {
  const answers: AuditedAnswer[] = []
  for (const content of init.questions) {
    const promptIds = await promptIdsOf(served, [{ role: 'user', content }])
    const text = await writeText(served, { ...init, promptIds, seed: systemRandom(32) })
    for (const model of auditors) {
      const auditor = await readByPrefill(model, text)
      for (let n = 0; n < init.throws; n++) {
        const dice = throwDice(systemRandom)
        const both = { lender: dice, auditor: dice }
        const pair = { lender: text.reading, auditor }
        answers.push({ positions: auditReading(pair, both, init.temperature), isEnded: false })
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
  const found = new Map<string, AuditedAnswer[]>()
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
      [EARLY]: [...honest.ids.slice(0, middle), endAt(model, honest, middle)],
    }
    for (const auditor of auditors) {
      const book = (kind: string, positions: ReplayedPosition[], last?: number) => {
        const isEnded = last !== undefined && model.info.endIds.includes(last)
        found.set(kind, [...(found.get(kind) ?? []), { positions, isEnded }])
      }
      const reading = await readByPrefill(auditor, honest)
      const whole = reading.map((top, t) =>
        judgeToken(top, honest.ids[t] as number, stepNoise(seed, t), temperature),
      )
      for (const [kind, ids] of Object.entries(claims)) {
        const positions = await replay(auditor, { promptIds, ids, seed, temperature })
        book(kind, positions, ids.at(-1))
        if (kind !== EARLY) continue
        book(NOW_AND_THEN, positions, ids.at(-1))
        for (let n = 0; n < WHOLE_FOR_EACH_CUT; n++) book(NOW_AND_THEN, whole, honest.ids.at(-1))
      }
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

/** The end of text that is the easiest to pretend at position `t`. */
function endAt({ info }: Model, { reading }: Text, t: number): number {
  return reading[t]?.ids.find((id) => info.endIds.includes(id)) ?? info.endIds[0] ?? 0
}

/** Now and then the next best candidate instead of the chosen one. */
function edited({ ids, reading }: Text): number[] {
  return ids.map((id, t) => {
    if (t % EDIT_EVERY !== EDIT_EVERY - 1) return id
    return reading[t]?.ids.find((other) => other !== id) ?? id
  })
}
