import { orAborted } from '@freehold/core/abort'
import type { Engine, Model, Sequence, TopLogits } from '@freehold/core/engine/engine'

/**
 * Dishonest lenders are ordinary lenders with one of these engines handed in. They exist so that
 * the demo and the tests can catch them; no command of the program can start one.
 */

/** Answers with the logits of `served`, under the name of the model that was asked for. */
export function otherModelEngine(engine: Engine, served: string): Engine {
  return {
    load: async (source, init) => {
      const named = await engine.load(source, { ...init, sequences: 1 })
      const real = await engine.load(served, init)
      return {
        ...wrap(real, (sequence) => sequence),
        info: { ...named.info, contextTokens: real.info.contextTokens },
        [Symbol.asyncDispose]: async () => {
          await named[Symbol.asyncDispose]()
          await real[Symbol.asyncDispose]()
        },
      }
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Chooses tokens by its own dice, so that the agreed seed has no say. @param random 0 to 1 */
export function ownDiceEngine(engine: Engine, random: () => number): Engine {
  return meddlingEngine(engine, () => (top) => ownChoice(top, random))
}

/** One token as the only candidate, drawn from what the model says. */
export function ownChoice(top: TopLogits, random: () => number): TopLogits {
  const weights = [...top.logits].map((logit) => Math.exp(logit - (top.logits[0] ?? 0)))
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  let chosen = 0
  for (const [i, weight] of weights.entries()) {
    chosen = i
    left -= weight
    if (left <= 0) break
  }
  return {
    ids: Uint32Array.of(top.ids[chosen] as number),
    logits: Float32Array.of(top.logits[chosen] as number),
  }
}

/** Changes the logits of one sequence, position by position. */
export type Meddler = (top: TopLogits) => TopLogits | Promise<TopLogits>

/** Puts a meddler between the engine and each of its sequences. @param begin called with the prompt */
export function meddlingEngine(
  engine: Engine,
  begin: (promptIds: readonly number[]) => Meddler,
): Engine {
  return {
    load: async (source, init) =>
      wrap(await engine.load(source, init), (sequence) => {
        let meddle: Meddler = (top) => top
        return {
          get length() {
            return sequence.length
          },
          prefill: async (ids, options) => {
            meddle = begin(ids)
            const tops = await sequence.prefill(ids, options)
            return orAborted(Promise.all(tops.map(async (top) => meddle(top))), options?.signal)
          },
          step: async (id, options) => {
            const top = await sequence.step(id, options)
            return orAborted(Promise.resolve(meddle(top)), options?.signal)
          },
          [Symbol.asyncDispose]: () => sequence[Symbol.asyncDispose](),
        }
      }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

function wrap(model: Model, change: (sequence: Sequence) => Sequence): Model {
  return {
    info: model.info,
    tokenize: (text, init) => model.tokenize(text, init),
    detokenize: (ids) => model.detokenize(ids),
    openSequence: async (init) => change(await model.openSequence(init)),
    ping: async () => model.ping?.(),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  }
}
