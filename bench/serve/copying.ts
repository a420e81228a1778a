import { performance } from 'node:perf_hooks'
import { createLlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import { DEFAULT_SAMPLING } from '../../packages/node/src/serving/answer.ts'
import type { GenerationEnd } from '../../packages/node/src/serving/generation.ts'
import { createTextGenerator } from '../../packages/node/src/serving/text-generator.ts'
import { median, rounded } from '../median.ts'

/** Of what the answer copies. */
const PROMPT = Array.from({ length: 96 }, (_, i) => 40 + ((i * 37) % 80))

export interface CopyingInit {
  path: string
  tokens: number
  alternations: number
}

/**
 * Answers that repeat their input, with and without guesses, in turn. No prompt makes a model of
 * random weights copy, so it is asked greedily: its answer soon goes round in a circle.
 */
export async function measureCopying({ path, tokens, alternations }: CopyingInit) {
  await using engine = createLlamaEngine()
  await using model = await engine.load(path, { contextTokens: 1_023, sequences: 1 })
  const generators = {
    guessed: createTextGenerator(model),
    plain: createTextGenerator(model, { guesses: false }),
  }
  const sampling = { ...DEFAULT_SAMPLING, temperature: 0 }
  const speed = async (who: keyof typeof generators) => {
    const pieces = generators[who].generate({
      promptIds: PROMPT,
      maxTokens: tokens,
      sampling,
      stop: [],
    })
    const startMs = performance.now()
    let step = await pieces.next()
    while (!step.done) step = await pieces.next()
    return { ...(step.value as GenerationEnd), wholeMs: performance.now() - startMs }
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
    ratio: rounded(median(ratios)),
    guessedShare: rounded(median(shares)),
    ratios: ratios.map((ratio) => rounded(ratio, 3)),
  }
}
