import type { LlamaEngine } from '../engine/llama-engine.ts'
import type { LoadServed } from './served-model.ts'
import { createTextGenerator } from './text-generator.ts'

/** Context of a text where nobody asks for more; the model's own if that is smaller. */
const DEFAULT_CONTEXT_TOKENS = 4_096

/** Loads models with llama.cpp, each in a process of its own. */
export function loadWith(engine: LlamaEngine): LoadServed {
  return async (source, { contextTokens = DEFAULT_CONTEXT_TOKENS, parallel, signal }) => {
    const model = await engine.load(source, { contextTokens, sequences: parallel, signal })
    const generator = createTextGenerator(model)
    return {
      model,
      generator,
      idsToEmbed: (text) => model.idsToEmbed(text),
      [Symbol.asyncDispose]: async () => {
        await generator[Symbol.asyncDispose]()
        await model[Symbol.asyncDispose]()
      },
    }
  }
}
