import { createLlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import { DEFAULT_SAMPLING } from '../../packages/node/src/serving/answer.ts'
import type { GenerationEnd } from '../../packages/node/src/serving/generation.ts'
import { createTextGenerator } from '../../packages/node/src/serving/text-generator.ts'
import { median, rounded } from '../median.ts'

/** Ids in a row, then the first of them again: a model that counts goes on with the others. */
const COPIED = Array.from({ length: 128 }, (_, i) => 1_000 + i)
const PROMPT = [...COPIED, ...COPIED.slice(0, 4)]

export interface CopyingInit {
  /** Of a model that counts. */
  path: string
  tokens: number
  alternations: number
}

/**
 * Answers that copy their prompt, with and without guesses, in turn. No prompt makes a model of random
 * weights copy, so the prompt is what a model that counts would say anyway.
 * @throws when the answer is no copy
 */
export async function measureCopying({ path, tokens, alternations }: CopyingInit) {
  await using engine = createLlamaEngine()
  await using model = await engine.load(path, { contextTokens: 1_023, sequences: 1 })
  const generators = {
    guessed: createTextGenerator(model),
    plain: createTextGenerator(model, { guesses: false }),
  }
  const sampling = { ...DEFAULT_SAMPLING, temperature: 0 }
  const ask = async (who: keyof typeof generators, promptIds: number[], maxTokens: number) => {
    const pieces = generators[who].generate({ promptIds, maxTokens, sampling, stop: [] })
    const ids: number[] = []
    let step = await pieces.next()
    for (; !step.done; step = await pieces.next()) ids.push(...step.value.ids)
    return { ...(step.value as GenerationEnd), ids }
  }
  const speed = async (who: keyof typeof generators) => {
    const { ids, ...end } = await ask(who, PROMPT, tokens)
    const isCopy = ids.every((id, at) => id === COPIED[at + PROMPT.length - COPIED.length])
    if (!isCopy) throw new Error(`the answer is no copy: ${ids.join(' ')}`)
    return end
  }
  const ratios: number[] = []
  const shares: number[] = []
  for (let i = -1; i < alternations; i++) {
    const first = i % 2 === 0 ? await speed('guessed') : undefined
    const plain = await speed('plain')
    const guessed = first ?? (await speed('guessed'))
    if (i < 0) continue
    ratios.push(plain.generateMs / guessed.generateMs)
    shares.push(guessed.guessedTokens / guessed.tokens)
  }
  return {
    promptTokens: PROMPT.length,
    answerTokens: tokens,
    ratio: rounded(median(ratios)),
    guessedShare: rounded(median(shares)),
    ratios: ratios.map((ratio) => rounded(ratio, 3)),
  }
}
