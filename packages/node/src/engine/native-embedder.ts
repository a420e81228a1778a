import type { LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp'

/** Turns texts into vectors inside the child. */
export interface NativeEmbedder {
  embed(ids: Uint32Array): Promise<Float32Array>
}

/** Creates it; its context takes memory from the first text on only. */
export function createNativeEmbedder(
  model: LlamaModel,
  init: { contextTokens: number; threads: number },
): NativeEmbedder {
  let starting: Promise<LlamaEmbeddingContext> | undefined

  function start(): Promise<LlamaEmbeddingContext> {
    // A text is one batch: models that read both ways need it so. Begin and end tokens may be added.
    const contextSize = init.contextTokens + 3
    return model.createEmbeddingContext({
      contextSize,
      batchSize: contextSize,
      threads: init.threads,
    })
  }

  return {
    async embed(ids) {
      starting ??= start()
      const context = await starting.catch((error: unknown) => {
        starting = undefined
        throw error
      })
      const { vector } = await context.getEmbeddingFor(Array.from(ids) as Token[])
      return Float32Array.from(vector)
    },
  }
}
