import { setTimeout } from 'node:timers/promises'
import { orAborted } from '@freehold/core/abort'
import type { Engine, Model, Sequence, TopLogits } from '@freehold/core/engine/engine'
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import type { Mood } from './protocol.ts'

/** Milliseconds for a token of prompt and of text: a small model on a laptop. */
const PREFILL_MS = 2
const STEP_MS = 40
/** The same of a machine that is slow, and not dead. */
const SLOW_PREFILL_MS = 100
const SLOW_STEP_MS = 400
/** Tokens of a prompt that are taken in at once. */
const BATCH = 16

/** A toy's text under the name of a real model's profile, so that audits decide. */
export function standInModel(): Model {
  const toy = createToyModel()
  const profile = { ...toy.info.profile, kvType: 'f16' } as const
  return { ...toy, info: { ...toy.info, profile } }
}

/** What a dishonest lender serves instead: other likelihoods for the same tokens. */
export function otherModel(): Model {
  const real = standInModel()
  return { ...real, openSequence: async (init) => turned(await real.openSequence(init)) }
}

function turned(sequence: Sequence): Sequence {
  const turn = ({ ids, logits }: TopLogits): TopLogits => ({ ids: ids.toReversed(), logits })
  return {
    get length() {
      return sequence.length
    },
    prefill: async (ids, init) => (await sequence.prefill(ids, init)).map(turn),
    step: async (id, init) => turn(await sequence.step(id, init)),
    [Symbol.asyncDispose]: () => sequence[Symbol.asyncDispose](),
  }
}

/**
 * An engine that takes as long as a real one and computes nothing: twelve devices share two cores. Its
 * mood can change while it answers.
 */
export function createStandInEngine(init: { mood: () => Mood; onStep: () => void }): Engine {
  const { mood, onStep } = init
  const never = new Promise<never>(() => {})

  async function spend(ms: number, slowMs: number, signal?: AbortSignal): Promise<void> {
    await setTimeout(mood() === 'slow' ? slowMs : ms, undefined, signal && { signal })
    if (mood() === 'wedged') await orAborted(never, signal)
  }

  function timed(sequence: Sequence): Sequence {
    return {
      get length() {
        return sequence.length
      },
      prefill: async (ids, { logitsFrom, onProgress, signal } = {}) => {
        for (let done = 0; done < ids.length; done += BATCH) {
          const count = Math.min(BATCH, ids.length - done)
          await spend(count * PREFILL_MS, count * SLOW_PREFILL_MS, signal)
          onProgress?.(done + count)
        }
        return sequence.prefill(ids, { logitsFrom, signal })
      },
      step: async (id, { signal } = {}) => {
        await spend(STEP_MS, SLOW_STEP_MS, signal)
        onStep()
        return sequence.step(id, { signal })
      },
      [Symbol.asyncDispose]: () => sequence[Symbol.asyncDispose](),
    }
  }

  return {
    load: async () => {
      const [real, other] = [standInModel(), otherModel()]
      return {
        ...real,
        openSequence: async (options) => {
          const model = mood() === 'wrong-model' ? other : real
          return timed(await model.openSequence(options))
        },
        tokenize: (text, options) => (mood() === 'wedged' ? never : real.tokenize(text, options)),
        ping: () => (mood() === 'wedged' ? never : Promise.resolve()),
      }
    },
    [Symbol.asyncDispose]: async () => {},
  }
}
