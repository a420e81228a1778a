import { randomInt } from 'node:crypto'
import { EngineError, ModelError } from '@freehold/core/errors'
import type { LlamaModel } from '../engine/llama-engine.ts'
import type { TextLogits } from '../engine/text-sequences.ts'
import { checkEmbedding, checkGeneration } from './check-generation.ts'
import { grammarOf } from './format-grammar.ts'
import type { GeneratedPiece, GenerationEnd, GenerationInit, TextGenerator } from './generation.ts'
import { createPieceWriter } from './piece-writer.ts'

export interface TextGeneratorInit {
  /** Guesses tokens that the text had before, where that pays. @default true */
  guesses?: boolean | undefined
}

/** The largest range that Node draws from. */
const SEEDS = 2 ** 48 - 1

/** Creates the generator of a loaded model. Disposing it ends its texts; the model stays loaded. */
export function createTextGenerator(
  model: LlamaModel,
  init: TextGeneratorInit = {},
): TextGenerator {
  const { info } = model
  const closing = new AbortController()

  async function* generate(
    generation: GenerationInit,
  ): AsyncGenerator<GeneratedPiece, GenerationEnd, void> {
    checkGeneration(generation, info)
    const { promptIds, maxTokens, sampling, stop, format, topLogprobs } = generation
    const grammar = format === undefined ? undefined : grammarOf(format)
    const signals = generation.signal ? [generation.signal] : []
    const signal = AbortSignal.any([closing.signal, ...signals])
    await using sequence = await model.openText({
      promptIds,
      grammar,
      bias: sampling.logitBias,
      isSummed: topLogprobs !== undefined,
      signal,
    })
    const { cachedTokens } = sequence
    const startedAt = performance.now()
    const [top] = await sequence.prefill(promptIds.slice(cachedTokens), { signal })
    const promptedAt = performance.now()
    const writer = createPieceWriter({ bytes: model.tokenBytes, stop, topLogprobs, sampling })
    const drawn = sequence.draw(top as TextLogits, {
      promptIds,
      maxTokens,
      endIds: info.endIds,
      sampling,
      seed: sampling.seed ?? randomInt(SEEDS),
      // Not every model can forget a wrong guess.
      isGuessing: (init.guesses ?? true) && model.canRewind,
      isShown: topLogprobs !== undefined,
      signal,
    })
    let tokens = 0
    let guessedTokens = 0
    const end = (finish: 'stop' | 'length', stopText: string | null): GenerationEnd => ({
      finish,
      stopText,
      promptTokens: promptIds.length,
      cachedTokens,
      tokens,
      guessedTokens,
      promptMs: promptedAt - startedAt,
      generateMs: performance.now() - promptedAt,
    })

    for await (const { id, top, isGuessed, finish } of drawn) {
      tokens++
      if (isGuessed) guessedTokens++
      if (finish !== 'stop') {
        const { piece, stopText } = writer.push(id, top)
        if (piece !== null) yield piece
        if (stopText !== null) return end('stop', stopText)
      }
      if (finish === undefined) continue
      const last = writer.end()
      if (last !== null) yield last
      return end(finish, null)
    }
    throw new EngineError({ what: 'the model drew no token' })
  }

  return {
    generate,
    async embed(inputs, { signal } = {}) {
      for (const ids of inputs) checkEmbedding(ids, info)
      const vectors: Float32Array[] = []
      for (const ids of inputs) {
        signal?.throwIfAborted()
        vectors.push(normalised(await model.embed(ids)))
      }
      return vectors
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new EngineError({ what: 'the generator was closed' }))
    },
  }
}

/** @throws ModelError when it has no direction */
function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  if (length > 0 && Number.isFinite(length)) return vector.map((value) => value / length)
  throw new ModelError({
    what: 'the model gave a vector without direction',
    next: 'Choose a model that is made for embeddings.',
  })
}
