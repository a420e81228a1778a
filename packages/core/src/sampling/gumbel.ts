import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { concat, u32le, utf8 } from '../bytes.ts'
import type { TopLogits } from '../engine/engine.ts'

/** Candidates of `gumbel-sha256/1`: the 40 highest raw logits. */
export const TOP_K = 40

const STEP_TAG = utf8('g1|')

/** The key of one position as a hash that has taken it in: each candidate goes on from there. */
export type StepKey = ReturnType<typeof sha256.create>

/** Key of position `t` of an answer: HMAC-SHA256(seed, "g1|" ‖ u32le(t)). */
export function stepKey(seed: Uint8Array, t: number): StepKey {
  return sha256.create().update(hmac(sha256, seed, concat(STEP_TAG, u32le(t))))
}

// Forty hashes for each token: making their parts anew would cost three times the hashing.
const scratch = sha256.create()
const idBytes = new DataView(new ArrayBuffer(4))
const digest = new DataView(new ArrayBuffer(32))
const [idInput, digestOutput] = [new Uint8Array(idBytes.buffer), new Uint8Array(digest.buffer)]

/**
 * Gumbel noise of one token: u = (top 53 bits of SHA-256(key ‖ u32le(id)) + 0.5) / 2^53,
 * G = -ln(-ln u).
 */
export function gumbel(key: StepKey, id: number): number {
  idBytes.setUint32(0, id, true)
  key._cloneInto(scratch).update(idInput).digestInto(digestOutput)
  // 53 bits: the high 32, then the top 21 of the next 32.
  const top = digest.getUint32(0) * 2 ** 21 + (digest.getUint32(4) >>> 11)
  return -Math.log(-Math.log((top + 0.5) / 2 ** 53))
}

/** Noise of each candidate at one position of an answer. */
export type Noise = (id: number) => number

/** The noise at position `t` of the answer that `seed` belongs to. */
export function stepNoise(seed: Uint8Array, t: number): Noise {
  const key = stepKey(seed, t)
  return (id) => gumbel(key, id)
}

/** Score of a candidate: logit / T + G, or the logit alone at T = 0. */
export function score(logit: number, id: number, temperature: number, noise: Noise): number {
  return temperature === 0 ? logit : logit / temperature + noise(id)
}

/**
 * The seeded sampler `gumbel-sha256/1` (Gumbel-max over the raw top 40): the token is a function
 * of logits, seed and position alone, so anyone with the model can check it.
 * @param top highest first; @param t position in the answer, from 0
 * @returns the chosen id; equal scores go to the lowest id
 */
export function sampleToken(
  top: TopLogits,
  seed: Uint8Array,
  t: number,
  temperature: number,
): number {
  return chooseToken(top, stepNoise(seed, t), temperature)
}

/** The candidate with the best score; equal ones go to the lowest id. */
export function chooseToken(top: TopLogits, noise: Noise, temperature: number): number {
  let best = -Infinity
  let chosen = -1
  for (let i = 0; i < Math.min(TOP_K, top.ids.length); i++) {
    const id = top.ids[i] as number
    const value = score(top.logits[i] as number, id, temperature, noise)
    if (value > best || (value === best && id < chosen)) {
      best = value
      chosen = id
    }
  }
  if (chosen < 0) throw new RangeError('no finite logit to sample from')
  return chosen
}

/** Log-probability of `id` over the raw top 64, in whole 1/1000 nat (0 to -32768); lowest when absent. */
export function logProbMilli(top: TopLogits, id: number): number {
  const max = top.logits[0] ?? 0
  let sum = 0
  let own = -Infinity
  for (const [i, logit] of top.logits.entries()) {
    sum += Math.exp(logit - max)
    if (top.ids[i] === id) own = logit
  }
  const lp = Math.round(1_000 * (own - max - Math.log(sum)))
  return Math.max(-32_768, Math.min(0, lp)) || 0
}
