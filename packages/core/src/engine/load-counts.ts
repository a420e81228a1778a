import { UsageError } from '../errors.ts'
import type { LoadInit } from './engine.ts'

const DEFAULT_CONTEXT_TOKENS = 2048
const DEFAULT_SEQUENCES = 4
const MAX_SEQUENCES = 64

/** What `LoadInit` asks for, with its defaults. @throws UsageError when a count makes no sense */
export function loadCounts(init: LoadInit): { contextTokens: number; sequences: number } {
  const contextTokens = checkCount(init.contextTokens ?? DEFAULT_CONTEXT_TOKENS, 'contextTokens')
  const sequences = checkCount(init.sequences ?? DEFAULT_SEQUENCES, 'sequences')
  if (sequences > MAX_SEQUENCES) {
    throw new UsageError({ what: `at most ${MAX_SEQUENCES} sequences can be open at once` })
  }
  return { contextTokens, sequences }
}

function checkCount(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new UsageError({ what: `${name} must be a whole number above 0, and is ${value}` })
}
