import type { Model, TopLogits } from '../engine/engine.ts'
import { type Evidence, evidenceSeed } from '../lending/evidence.ts'
import { logProbMilli, type Noise, score, stepNoise, TOP_K } from '../sampling/gumbel.ts'

/**
 * Slack at the edge of the candidates, in logits: honest devices may disagree about which token is
 * the 40th, so one within this of the edge is neither a competitor nor an impossible claim.
 */
const EDGE_SLACK = 0.5

/** What the auditor's own logits say of one token of an answer. Margins and gaps in logits. */
export interface ReplayedPosition {
  /** How far the claimed token is from the seeded choice; 0 when it is the choice. */
  margin: number
  /** How far the seeded choice is ahead of the next candidate: small gaps flip by honest noise. */
  gap: number
  /** The claimed token is no candidate at all. */
  isOut: boolean
  /** Log-probability of the claimed token over the auditor's top 64, in 1/1000 nat. */
  lpMilli: number
}

/** An answer as far as a replay needs it. */
export interface ReplayInit {
  promptIds: readonly number[]
  ids: readonly number[]
  seed: Uint8Array
  temperature: number
  signal?: AbortSignal | undefined
}

/**
 * Replays an answer: one prefill of prompt and tokens on the auditor's model, then the seeded
 * sampler on the auditor's logits at every position (Token-DiFR, arXiv 2511.20621).
 */
export async function replay(model: Model, init: ReplayInit): Promise<ReplayedPosition[]> {
  const { promptIds, ids, seed, temperature, signal } = init
  if (ids.length === 0) return []
  await using sequence = await model.openSequence({ signal })
  // The last token's own successor is not part of the answer.
  const input = [...promptIds, ...ids.slice(0, -1)]
  const tops = await sequence.prefill(input, { logitsFrom: promptIds.length - 1, signal })
  return tops.map((top, t) => judgeToken(top, ids[t] as number, stepNoise(seed, t), temperature))
}

/** Replays what a lender has signed. */
export function replayEvidence(
  model: Model,
  evidence: Evidence,
  init: { signal?: AbortSignal | undefined } = {},
): Promise<ReplayedPosition[]> {
  const { promptIds, sampler } = evidence.terms.request
  return replay(model, {
    promptIds,
    ids: evidence.ids.slice(0, evidence.signed?.count ?? 0),
    seed: evidenceSeed(evidence),
    temperature: sampler.temperatureMilli / 1_000,
    signal: init.signal,
  })
}

/** Judges one claimed token against the auditor's logits at its position. */
export function judgeToken(
  top: TopLogits,
  claimed: number,
  noise: Noise,
  temperature: number,
): ReplayedPosition {
  const size = Math.min(TOP_K, top.ids.length)
  const edge = top.logits[size - 1] as number
  // With a vocabulary smaller than the candidate list there is no edge to be unsure about.
  const hasEdge = top.ids.length > TOP_K
  let claimedScore = -Infinity
  let claimedLogit = -Infinity
  let best = -Infinity
  let second = -Infinity
  for (const [i, id] of top.ids.entries()) {
    const logit = top.logits[i] as number
    const value = score(logit, id, temperature, noise)
    if (id === claimed) [claimedScore, claimedLogit] = [value, logit]
    const isCompetitor = hasEdge ? logit >= edge + EDGE_SLACK : true
    if (!isCompetitor && i > 0) continue
    if (value > best) [best, second] = [value, best]
    else if (value > second) second = value
  }
  const scale = temperature === 0 ? 1 : temperature
  const isOut = claimedLogit === -Infinity || (hasEdge && claimedLogit < edge - EDGE_SLACK)
  const margin = isOut ? Infinity : scale * Math.max(0, best - claimedScore)
  const gap = second === -Infinity ? Infinity : scale * (best - second)
  return { margin, gap, isOut, lpMilli: logProbMilli(top, claimed) }
}
