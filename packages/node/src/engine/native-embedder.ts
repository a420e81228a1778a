import {
  type LlamaEmbeddingContext,
  type LlamaModel,
  LlamaVocabularyType,
  type Token,
} from 'node-llama-cpp'

/** Turns texts into vectors inside the child, as llama.cpp does. */
export interface NativeEmbedder {
  /** Ids of a text: texts of control tokens stand for these, begin and end tokens are added. */
  idsOf(text: string): Uint32Array
  /** The vector of exactly these ids. */
  embed(ids: Uint32Array): Promise<Float32Array>
}

/** Vocabularies that have no begin and end tokens, whatever the file says. */
const WITHOUT_ENDS: readonly LlamaVocabularyType[] = [
  LlamaVocabularyType.none,
  LlamaVocabularyType.rwkv,
  LlamaVocabularyType.plamo2,
]

/** Creates it; its context takes memory from the first text on only. */
export function createNativeEmbedder(
  model: LlamaModel,
  init: { contextTokens: number; threads: number },
): NativeEmbedder {
  let starting: Promise<LlamaEmbeddingContext> | undefined

  async function start(): Promise<LlamaEmbeddingContext> {
    // A text is one batch: models that read both ways need it so. One cell more than is ever used.
    const contextSize = init.contextTokens + 1
    const context = await model.createEmbeddingContext({
      contextSize,
      batchSize: contextSize,
      threads: init.threads,
    })
    // Left alone it adds begin and end tokens by rules that are not quite those of llama.cpp, also
    // to ids that somebody chose, and beyond the context.
    return Object.assign(context, { _prepareInput: () => {} })
  }

  return {
    idsOf: (text) => {
      const [begin, end] = endsOf(model)
      const ids = model.tokenize(text, true)
      return Uint32Array.from([begin, ...ids, end].filter((id) => id !== null))
    },
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

/** What llama.cpp puts around a text that is a whole one: `add_bos_token` and `add_eos_token`. */
function endsOf({ tokens, vocabularyType }: LlamaModel): [Token | null, Token | null] {
  if (WITHOUT_ENDS.includes(vocabularyType)) return [null, null]
  // The models of this kind were all made with both, and say nothing.
  if (vocabularyType === LlamaVocabularyType.wpm) return [tokens.bos, tokens.sep]
  return [
    tokens.shouldPrependBosToken ? tokens.bos : null,
    tokens.shouldAppendEosToken ? tokens.eos : null,
  ]
}
