import { orAborted } from '../abort.ts'
import { concat, u32le } from '../bytes.ts'
import { EngineError } from '../errors.ts'
import { taggedHash } from '../wire/hash.ts'
import type { Model, ModelInfo, Sequence, TopLogits } from './engine.ts'

/** A model in a few lines, for tests of what is around one: its logits are a hash of its tokens. */
export interface ToyModelInit {
  /** Called before the token after `length` is computed; a pending promise holds it back. */
  beforeStep?: ((length: number) => Promise<void> | void) | undefined
  /** Length at which the end token is certain. */
  endsAt?: number | undefined
}

const VOCABULARY = 48
/** The only token that ends a text; never drawn before `endsAt`. */
export const TOY_END = 47
const TOY_TOP = 32

export const TOY_INFO: ModelInfo = {
  modelId: '70'.repeat(32),
  name: 'toy',
  architecture: 'toy',
  quantisation: '',
  sizeBytes: 1,
  vocabSize: VOCABULARY,
  contextTokens: 512,
  chatTemplate: '',
  bosText: '',
  eosText: '',
  endIds: [TOY_END],
  profile: {
    engine: 'toy',
    backend: 'cpu',
    isa: 'none',
    kvType: 'f32',
    flashAttn: false,
    relaxedSimd: false,
  },
}

export function createToyModel(init: ToyModelInit = {}): Model {
  return {
    info: TOY_INFO,
    tokenize: async (text) => Array.from(text, (char) => (char.codePointAt(0) ?? 0) % TOY_END),
    detokenize: async (ids) => String.fromCodePoint(...ids.map((id) => 97 + id)),
    openSequence: async ({ signal } = {}) => {
      signal?.throwIfAborted()
      return openSequence(init)
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

function openSequence({ beforeStep, endsAt }: ToyModelInit): Sequence {
  const taken: number[] = []
  const take = async (id: number, signal: AbortSignal | undefined): Promise<TopLogits> => {
    signal?.throwIfAborted()
    const pending = beforeStep?.(taken.length)
    if (pending) await orAborted(pending, signal)
    if (taken.length >= TOY_INFO.contextTokens)
      throw new EngineError({ what: 'the context is full' })
    taken.push(id)
    return logitsAfter(taken, endsAt)
  }
  return {
    get length() {
      return taken.length
    },
    prefill: async (ids, { logitsFrom = ids.length - 1, onProgress, signal } = {}) => {
      const all: TopLogits[] = []
      for (const [i, id] of ids.entries()) {
        all.push(await take(id, signal))
        onProgress?.(i + 1)
      }
      return all.slice(logitsFrom)
    },
    step: (id, { signal } = {}) => take(id, signal),
    [Symbol.asyncDispose]: async () => {},
  }
}

function logitsAfter(taken: readonly number[], endsAt: number | undefined): TopLogits {
  if (endsAt !== undefined && taken.length >= endsAt) {
    return { ids: Uint32Array.of(TOY_END), logits: Float32Array.of(9) }
  }
  const digest = taggedHash('run', concat(...taken.slice(-8).map(u32le)))
  const scored = [...digest]
    .map((byte, i) => ({ id: (i + (digest[0] as number)) % TOY_END, logit: byte / 64 }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .slice(0, TOY_TOP)
  return {
    ids: Uint32Array.from(scored, ({ id }) => id),
    logits: Float32Array.from(scored, ({ logit }) => logit),
  }
}
