import type { Model, Sequence, TopLogits } from '../engine/engine.ts'
import { generate } from '../engine/generate.ts'
import type { Random } from '../platform.ts'

export interface TestModelInit {
  /** Which language model: the same weights give the same logits. */
  weights: number
  /** Spread of the logits; a large one makes every next token plain. @default 1.5 */
  spread?: number
  /** Which device: another one makes other rounding errors. @default none */
  device?: number
  /** Size of the rounding errors in logits. @default 0.01 */
  noise?: number
  /** Token that ends a text; it is rarer than others. @default none */
  endId?: number
  /** How far the weights were damaged, in logits: a cheaper quantisation. @default 0 */
  damage?: number
}

const VOCABULARY = 16
/** How much less likely the end is than other tokens, in logits. */
const END_IS_RARER = 2.5
/** Tokens that the next one depends on. */
const MEMORY = 3

/** A number from 0 to 1 out of integers; the same everywhere. */
function hashUnit(...parts: readonly number[]): number {
  let h = 0x9e3779b9
  for (const part of parts) {
    h = Math.imul(h ^ part, 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    h ^= h >>> 16
  }
  return (h >>> 0) / 2 ** 32
}

/** About normal, with a spread of 1. */
function hashNormal(...parts: readonly number[]): number {
  return (hashUnit(...parts, 1) + hashUnit(...parts, 2) + hashUnit(...parts, 3) - 1.5) * 2
}

/**
 * A language model for tests of audits: the logits of a position are made up from the last few
 * tokens. What an audit needs is there: other models, other devices, text that is plain.
 */
export function createTestModel(init: TestModelInit): Model {
  const { weights, spread = 1.5, device, noise = 0.01, damage = 0, endId } = init

  function logitsAfter(prefix: readonly number[]): TopLogits {
    const context = prefix.slice(-MEMORY)
    const rows = Array.from({ length: VOCABULARY }, (_, id) => {
      let logit = spread * hashNormal(weights, ...context, id)
      if (id === endId) logit -= END_IS_RARER
      if (damage > 0) logit += damage * hashNormal(weights, 7, ...context, id)
      if (device !== undefined) logit += noise * hashNormal(weights, device, ...context, id, 9)
      return [id, Math.fround(logit)] as const
    })
    rows.sort(([a, x], [b, y]) => y - x || a - b)
    return {
      ids: Uint32Array.from(rows, ([id]) => id),
      logits: Float32Array.from(rows, ([, logit]) => logit),
    }
  }

  function openSequence(): Promise<Sequence> {
    const taken: number[] = []
    let isClosed = false
    const check = async () => {
      await Promise.resolve()
      if (isClosed) throw new Error('the sequence is closed')
    }
    return Promise.resolve({
      get length() {
        return taken.length
      },
      prefill: async (ids, { logitsFrom = ids.length - 1 } = {}) => {
        await check()
        const before = taken.length
        taken.push(...ids)
        return ids.slice(logitsFrom).map((_, i) => {
          return logitsAfter(taken.slice(0, before + logitsFrom + i + 1))
        })
      },
      step: async (id) => {
        await check()
        taken.push(id)
        return logitsAfter(taken)
      },
      [Symbol.asyncDispose]: async () => {
        isClosed = true
      },
    })
  }

  return {
    info: {
      modelId: String(weights).padStart(64, '0'),
      name: `test model ${weights}`,
      architecture: 'test',
      quantisation: '',
      sizeBytes: 1,
      vocabSize: VOCABULARY,
      contextTokens: 4_096,
      chatTemplate: '',
      bosText: '',
      eosText: '',
      endIds: endId === undefined ? [] : [endId],
      profile: {
        engine: 'test',
        backend: 'cpu',
        isa: '',
        kvType: 'f16',
        flashAttn: false,
        relaxedSimd: false,
      },
    },
    tokenize: async (text) =>
      Array.from(text, (letter) => (letter.codePointAt(0) ?? 0) % VOCABULARY),
    detokenize: async (ids) => ids.join(' '),
    openSequence,
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Bytes that look random and are the same in every run. */
export function createTestRandom(seed: number): Random {
  let state = seed
  return (length) => {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) {
      // Mulberry32.
      state = (state + 0x6d2b79f5) | 0
      let t = Math.imul(state ^ (state >>> 15), state | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      words[i] = t ^ (t >>> 14)
    }
    return new Uint8Array(words.buffer, 0, length)
  }
}

/** What a lender with this model says. */
export async function speak(
  model: Model,
  init: {
    promptIds: readonly number[]
    seed: Uint8Array
    temperature?: number
    maxTokens: number
  },
): Promise<number[]> {
  await using sequence = await model.openSequence()
  const ids: number[] = []
  const { endIds } = model.info
  const { temperature = 1, ...rest } = init
  for await (const { id } of generate(sequence, { ...rest, temperature, endIds })) ids.push(id)
  return ids
}
