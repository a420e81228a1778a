import { UsageError } from '@freehold/core/errors'
import type { Measured } from '../engine/measure.ts'

/** What a quantisation lost, on one text. */
export interface Loss {
  positions: number
  /** Of the text, over the whole vocabulary; the original's for comparison. */
  perplexity: number
  originalPerplexity: number
  /**
   * KL(original ‖ shrunk) in nats a token: the original's likeliest 64 tokens one by one, all others
   * as one. That is never more than the divergence over the whole vocabulary, and nearly as much.
   */
  klMean: number
  /** 99 % of the positions stay below. */
  klP99: number
  /** How often both would choose the same token first, 0 to 1. */
  topAgreement: number
}

/** Compares a shrunk model with its original, measured on the same text. @throws UsageError */
export function lossOf(original: Measured, shrunk: Measured): Loss {
  const positions = original.logSums.length
  if (positions === 0) {
    throw new UsageError({ what: 'the text is too short to measure anything on' })
  }
  const kls = Array.from({ length: positions }, (_, at) => divergence(original, shrunk, at))
  const agreed = original.topIds.filter((id, at) => id === shrunk.topIds[at]).length
  const sorted = kls.toSorted((a, b) => a - b)
  return {
    positions,
    perplexity: perplexityOf(shrunk),
    originalPerplexity: perplexityOf(original),
    klMean: kls.reduce((sum, kl) => sum + kl, 0) / positions,
    klP99: sorted[Math.ceil(0.99 * positions) - 1] ?? 0,
    topAgreement: agreed / positions,
  }
}

/** e to the mean surprise of the text's own tokens. */
export function perplexityOf({ nextLogits, logSums }: Measured): number {
  const surprise = logSums.reduce((sum, logSum, at) => sum + logSum - (nextLogits[at] ?? 0), 0)
  return Math.exp(surprise / logSums.length)
}

function divergence(original: Measured, shrunk: Measured, at: number): number {
  const { width } = original
  let [kl, own, other] = [0, 0, 0]
  for (let index = at * width; index < (at + 1) * width; index++) {
    const logP = (original.logits[index] ?? 0) - (original.logSums[at] ?? 0)
    const logQ = (shrunk.logits[index] ?? 0) - (shrunk.logSums[at] ?? 0)
    const p = Math.exp(logP)
    kl += p * (logP - logQ)
    own += p
    other += Math.exp(logQ)
  }
  // Logits are single precision: the rest may come out a little below nothing.
  const [restP, restQ] = [1 - own, 1 - other]
  if (restP > 1e-6 && restQ > 1e-9) kl += restP * Math.log(restP / restQ)
  return Math.max(0, kl)
}
