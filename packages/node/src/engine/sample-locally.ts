import type { TopLogits } from '@freehold/core/engine/engine'

/**
 * How the next token is drawn from the model's logits, in this order. The 64 highest logits are what
 * it is drawn from, after `logitBias` and `format`: `topK` 0 and all above 64 mean 64.
 */
export interface LocalSampling {
  /**
   * Added to the logits of these ids before the highest are taken: -100 bans and 100 forces, as far as
   * the format allows.
   */
  logitBias: ReadonlyMap<number, number>
  /** Lower logits of tokens of the last `penaltyTokens`: as in llama.cpp. 1 and 0 leave them alone. */
  repeatPenalty: number
  presencePenalty: number
  frequencyPenalty: number
  /** How far back tokens are counted, the prompt included; -1 is all. */
  penaltyTokens: number
  /** 0 turns it off. */
  topK: number
  topP: number
  minP: number
  /** 0 is greedy. */
  temperature: number
  /** The same seed, prompt and build give the same text: any safe integer. @default random */
  seed?: number | undefined
}

/**
 * Draws one of the candidates: penalties, top-k, top-p, min-p, temperature, in the order and with the
 * formulas of llama.cpp (biases are in the logits already).
 * @param recent how often each token is among those that the penalties count
 * @param random in [0, 1)
 * @returns the id
 */
export function sampleLocally(
  top: TopLogits,
  sampling: LocalSampling,
  recent: ReadonlyMap<number, number>,
  random: number,
): number {
  const ranked = Array.from(top.ids, (id, index) => ({
    id,
    logit: penalise(top.logits[index] as number, recent.get(id) ?? 0, sampling),
  })).sort((a, b) => b.logit - a.logit || a.id - b.id)
  const [first] = ranked
  if (first === undefined) throw new RangeError('there is no token to choose from')
  if (sampling.temperature === 0) return first.id
  const kept = narrow(ranked, sampling)
  const weights = kept.map(({ logit }) => Math.exp((logit - first.logit) / sampling.temperature))
  let left = random * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [index, { id }] of kept.entries()) {
    left -= weights[index] as number
    if (left < 0) return id
  }
  return first.id
}

interface Candidate {
  id: number
  logit: number
}

function penalise(logit: number, count: number, sampling: LocalSampling): number {
  if (count === 0) return logit
  const { repeatPenalty, presencePenalty, frequencyPenalty } = sampling
  const repeated = logit <= 0 ? logit * repeatPenalty : logit / repeatPenalty
  return repeated - count * frequencyPenalty - presencePenalty
}

/** @param ranked highest first @returns its beginning; never empty */
function narrow(ranked: readonly Candidate[], sampling: LocalSampling): readonly Candidate[] {
  const { topK, topP, minP } = sampling
  let kept = topK > 0 ? ranked.slice(0, topK) : ranked
  const highest = (kept[0] as Candidate).logit
  if (topP < 1) {
    const weights = kept.map(({ logit }) => Math.exp(logit - highest))
    const goal = topP * weights.reduce((sum, weight) => sum + weight, 0)
    let sum = 0
    const end = weights.findIndex((weight) => {
      sum += weight
      return sum >= goal
    })
    if (end >= 0) kept = kept.slice(0, end + 1)
  }
  if (minP > 0) kept = kept.filter(({ logit }) => logit - highest >= Math.log(minP))
  return kept.length > 0 ? kept : ranked.slice(0, 1)
}

/** How often each id is among the last `count` of `ids`; -1 is all. */
export function countRecent(ids: readonly number[], count: number): ReadonlyMap<number, number> {
  const recent = new Map<number, number>()
  for (const id of count < 0 ? ids : ids.slice(Math.max(0, ids.length - count))) {
    recent.set(id, (recent.get(id) ?? 0) + 1)
  }
  return recent
}

/** Whether the sampling asks for what `countRecent` counts. */
export function hasPenalties(sampling: LocalSampling): boolean {
  const { repeatPenalty, presencePenalty, frequencyPenalty, penaltyTokens } = sampling
  const isOn = repeatPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
  return isOn && penaltyTokens !== 0
}

/**
 * The random number of one position, in [0, 1). It depends on nothing else: however many positions
 * are computed together, each has its own.
 */
export function randomAt(seed: number, position: number): number {
  const low = seed >>> 0
  const high = Math.floor(seed / 2 ** 32) >>> 0
  const a = mix(mix(low ^ 0x9e3779b9) ^ high)
  const b = mix(a ^ Math.imul(position + 1, 0x85ebca6b))
  const c = mix(b ^ a ^ 0xc2b2ae35)
  // 53 bits, as many as a number holds.
  return (b * 2 ** 21 + (c >>> 11)) / 2 ** 53
}

/** A bijection of 32 bits that spreads each over all: the finaliser of MurmurHash3. */
function mix(value: number): number {
  let bits = value
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
