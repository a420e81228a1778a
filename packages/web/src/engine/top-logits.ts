import type { TopLogits } from '@freehold/core/engine/engine'
import { EngineError } from '@freehold/core/errors'

/** The smallest number above 0 that wllama's 32-bit probabilities can be. */
const LEAST_PROBABILITY = 2 ** -149

/**
 * Logits from what wllama gives of them: probabilities over the whole vocabulary. ln p differs from
 * the raw logit by one number for all tokens of the position, which sampler, margins and
 * log-probabilities do not feel. What is too improbable for 32 bits could never be sampled either.
 * @throws EngineError when no probability came out
 */
export function topLogits(found: readonly { token: number; p: number }[]): TopLogits {
  // Beyond ±88 the exponential of a logit leaves 32 bits, and nothing can be told from it.
  if (!found.every(({ p }) => Number.isFinite(p)) || !found.some(({ p }) => p > 0)) {
    throw new EngineError({
      what: 'the model computed logits that cannot be read here',
      why: 'their exponentials do not fit into 32 bits',
      next: 'Choose another model here, or run this one on a device with Node.',
    })
  }
  const sorted = [...found].sort((a, b) => b.p - a.p || a.token - b.token)
  return {
    ids: Uint32Array.from(sorted, ({ token }) => token),
    logits: Float32Array.from(sorted, ({ p }) => Math.log(Math.max(p, LEAST_PROBABILITY))),
  }
}
