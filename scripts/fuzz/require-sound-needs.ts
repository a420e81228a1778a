import type { GgufHeader } from '../../packages/core/src/engine/gguf.ts'
import { estimateNeeds } from '../../packages/node/src/models/fit.ts'

/** What is said of memory must be a number, however large. */
export function requireSoundNeeds(header: GgufHeader): void {
  const needs = estimateNeeds(header, { contextTokens: 2_048, sequences: 4 })
  const isSound = Object.values(needs).every((value) => Number.isFinite(value) && value >= 0)
  if (!isSound) throw new RangeError(`the needs make no sense: ${JSON.stringify(needs)}`)
}
