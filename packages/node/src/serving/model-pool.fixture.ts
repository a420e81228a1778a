/** Models of a few lines that say what a test wants, for what is around a model. */
import type { Model, ModelInfo } from '@freehold/core/engine/engine'
import { TOY_INFO } from '@freehold/core/engine/toy-model.fixture'
import { EngineError, UsageError } from '@freehold/core/errors'
import type { GenerationInit } from './generation.ts'
import type { ManagedModel, ModelDetails, ModelManager } from './model-manager.ts'
import type { ServedModel } from './served-model.ts'

export interface ScriptedInit {
  info?: Partial<ModelInfo> | undefined
  gpuBytes?: number | undefined
  /** What is written, piece by piece, one token each. */
  pieces?: readonly string[] | undefined
  /** Called before each piece; a pending promise holds it back. */
  beforePiece?: ((index: number) => Promise<void> | void) | undefined
}

export interface ScriptedModel extends ServedModel {
  /** What was asked for, the last one last. */
  readonly asked: (GenerationInit & { prompt: string })[]
  written: number
  isAlive: boolean
  isDisposed: boolean
}

/** Its token ids are characters, so a prompt can be read. */
export function scriptedModel(init: ScriptedInit = {}): ScriptedModel {
  const info: ModelInfo = {
    ...TOY_INFO,
    vocabSize: 0x110000,
    chatTemplate: '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}>',
    ...init.info,
  }
  const alive = () => {
    if (!scripted.isAlive) throw new EngineError({ what: 'the engine process died' })
  }
  const model: Model = {
    info,
    tokenize: async (text) => {
      alive()
      return Array.from(text, (char) => char.codePointAt(0) ?? 0)
    },
    detokenize: async (ids) => String.fromCodePoint(...ids),
    openSequence: () =>
      Promise.reject(new EngineError({ what: 'a scripted model computes nothing' })),
    [Symbol.asyncDispose]: async () => {},
  }
  const scripted: ScriptedModel = {
    model,
    gpuBytes: init.gpuBytes ?? 0,
    asked: [],
    written: 0,
    isAlive: true,
    isDisposed: false,
    // One token before each text.
    idsToEmbed: async (text) => (text === '' ? [] : [1, ...(await model.tokenize(text))]),
    generator: {
      async *generate(request) {
        scripted.asked.push({ ...request, prompt: String.fromCodePoint(...request.promptIds) })
        const { pieces = ['Hello', ' there', '.'] } = init
        const end = (finish: 'stop' | 'length', tokens: number) => ({
          finish,
          stopText: null,
          promptTokens: request.promptIds.length,
          cachedTokens: 2,
          tokens,
          guessedTokens: 0,
          promptMs: 1,
          generateMs: 2,
        })
        for (const [index, text] of pieces.entries()) {
          if (index >= request.maxTokens) return end('length', index)
          await init.beforePiece?.(index)
          request.signal?.throwIfAborted()
          scripted.written++
          const bytes = new TextEncoder().encode(text)
          const one = { id: index, bytes, logprob: -0.5 }
          const logprobs = request.topLogprobs === undefined ? null : [{ ...one, top: [one] }]
          yield { text, ids: [index], logprobs }
        }
        return end('stop', pieces.length)
      },
      embed: async (inputs) =>
        inputs.map((ids) => Float32Array.of(0.6, ids.length > 3 ? 0.8 : -0.8)),
      [Symbol.asyncDispose]: async () => {},
    },
    [Symbol.asyncDispose]: async () => {
      scripted.isDisposed = true
    },
  }
  return scripted
}

/** @throws always: there is no store around scripted models */
function notHere(): never {
  throw new UsageError({ what: 'scripted models have no store' })
}

/** Models of these names, whose files do not exist. */
export function namedModels(names: readonly string[], info: Partial<ModelInfo> = {}): ModelManager {
  const one = (name: string): ManagedModel => ({
    name,
    source: `/${name}`,
    sizeBytes: 1_000,
    modifiedMs: 1_700_000_000_000,
  })
  return {
    store: {
      pull: () => notHere(),
      copy: notHere,
      remove: notHere,
    },
    list: async () => names.map(one),
    find: async (name) => (names.includes(name) ? one(name) : null),
    describe: async (model): Promise<ModelDetails> => ({
      ...TOY_INFO,
      ...info,
      ...model,
      parameters: 3_148_032,
      license: 'apache-2.0',
      metadata: { 'general.architecture': 'toy' },
    }),
  }
}
