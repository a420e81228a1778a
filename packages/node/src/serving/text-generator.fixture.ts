import type { GeneratedPiece, GenerationEnd, GenerationInit, TextGenerator } from './generation.ts'

/** Draws as the model would, and as the seed says. */
export const PLAIN_SAMPLING = {
  logitBias: new Map<number, number>(),
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  penaltyTokens: 64,
  topK: 40,
  topP: 1,
  minP: 0,
  temperature: 1,
  seed: 1,
}

export interface WholeText extends GenerationEnd {
  text: string
  ids: number[]
  pieces: GeneratedPiece[]
}

/** Reads a text to its end. */
export async function readWhole(
  generator: TextGenerator,
  init: Partial<GenerationInit> & Pick<GenerationInit, 'promptIds'>,
): Promise<WholeText> {
  const texts = generator.generate({
    maxTokens: 64,
    sampling: PLAIN_SAMPLING,
    stop: [],
    ...init,
  })
  const pieces: GeneratedPiece[] = []
  let next = await texts.next()
  for (; next.done !== true; next = await texts.next()) pieces.push(next.value)
  return {
    ...next.value,
    text: pieces.map((piece) => piece.text).join(''),
    ids: pieces.flatMap((piece) => piece.ids),
    pieces,
  }
}
