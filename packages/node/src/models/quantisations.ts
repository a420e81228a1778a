import type { Quantisation } from '../engine/quantise.ts'

/**
 * Bits that a weight takes in each quantisation, finest first: what llama.cpp's own page on quantising
 * (tools/quantize/README.md of v0.5.0) gives for Llama 3.1 8B. Small models take up to a fifth more,
 * since their embeddings are a larger part and stay finer.
 */
export const BITS_PER_WEIGHT: ReadonlyMap<Quantisation, number> = new Map([
  ['F16', 16.0],
  ['Q8_0', 8.5],
  ['Q6_K', 6.56],
  ['Q5_K_M', 5.7],
  ['Q4_K_M', 4.89],
  ['Q3_K_M', 4.0],
  ['Q2_K', 3.16],
])
