import type { Model, TopLogits } from '../engine/engine.ts'
import { generate } from '../engine/generate.ts'
import type { Random } from '../platform.ts'
import { chooseToken, type Noise, stepNoise } from '../sampling/gumbel.ts'
import { judgeToken, type ReplayedPosition } from './replay.ts'

/**
 * What lenders would say and auditors would find, without generating it again and again: logits
 * are read once along a text, then dice are thrown over them. An honest pair differs only in
 * rounding, which does not depend on the dice.
 */

/** Logits before each token of a text. */
export type Reading = readonly TopLogits[]

/** A text that a model wrote, and what it read while it did. */
export interface Text {
  promptIds: readonly number[]
  ids: readonly number[]
  reading: Reading
}

/** Lets a model write a text, as a lender does: token by token. */
export async function writeText(
  model: Model,
  init: {
    promptIds: readonly number[]
    seed: Uint8Array
    temperature: number
    maxTokens: number
    signal?: AbortSignal | undefined
  },
): Promise<Text> {
  await using sequence = await model.openSequence({ signal: init.signal })
  const ids: number[] = []
  const reading: TopLogits[] = []
  for await (const { id, top } of generate(sequence, { ...init, endIds: model.info.endIds })) {
    ids.push(id)
    reading.push(top)
  }
  return { promptIds: init.promptIds, ids, reading }
}

/** Reads along a text as a lender does: token by token. */
export async function readByDecoding(
  model: Model,
  { promptIds, ids }: Omit<Text, 'reading'>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Reading> {
  await using sequence = await model.openSequence({ signal })
  const reading = await sequence.prefill(promptIds, { signal })
  for (const id of ids.slice(0, -1)) reading.push(await sequence.step(id, { signal }))
  return reading
}

/** Reads along a text as an auditor does: all at once. */
export async function readByPrefill(
  model: Model,
  { promptIds, ids }: Omit<Text, 'reading'>,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Reading> {
  await using sequence = await model.openSequence({ signal })
  const input = [...promptIds, ...ids.slice(0, -1)]
  return await sequence.prefill(input, { logitsFrom: promptIds.length - 1, signal })
}

/** The agreed dice of one answer: noise by position. Remembers what it threw. */
export type Dice = (t: number) => Noise

export function throwDice(random: Random): Dice {
  const seed = random(32)
  const positions: Noise[] = []
  return (t) => (positions[t] ??= remember(stepNoise(seed, t)))
}

function remember(noise: Noise): Noise {
  const known = new Map<number, number>()
  return (id) => {
    const found = known.get(id)
    if (found !== undefined) return found
    const value = noise(id)
    known.set(id, value)
    return value
  }
}

/** What an auditor with the logits `auditor` finds in the tokens that a lender with `lender` chose. */
export function auditReading(
  { lender, auditor }: { lender: Reading; auditor: Reading },
  dice: { lender: Dice; auditor: Dice },
  temperature: number,
): ReplayedPosition[] {
  return auditor.map((top, t) => {
    const chosen = chooseToken(lender[t] as TopLogits, dice.lender(t), temperature)
    return judgeToken(top, chosen, dice.auditor(t), temperature)
  })
}
