import { readFile } from 'node:fs/promises'
import { judgeGguf } from '@freehold/core/engine/fuzz-gguf.fixture'
import { parseGguf } from '@freehold/core/engine/gguf'
import { mutateGguf, mutationBase } from '@freehold/core/engine/mutate-gguf.fixture'
import { smallGguf } from '@freehold/core/engine/small-gguf.fixture'
import { describe, expect, it } from 'vitest'
import { seededDice } from '../demo/dice.ts'
import { ACORN } from './test-models.ts'

/** A short one of `node scripts/fuzz-gguf.ts`. */
const INPUTS = 20_000

describe('what sees every file first', () => {
  it('behaviour: whatever a header claims, it is accepted or refused with a clear error', async () => {
    const bytes = await readFile(ACORN)
    const { dataOffset } = parseGguf(bytes, bytes.length)
    const real = mutationBase(bytes.subarray(0, dataOffset), bytes.length - dataOffset)
    const small = mutationBase(smallGguf({ vocabulary: true }))
    const dice = seededDice('a short one')
    const seen = { accepted: 0, refused: 0 }
    for (let n = 0; n < INPUTS; n++) seen[judgeGguf(mutateGguf(n % 10 ? [small] : [real], dice))]++
    expect(seen.accepted + seen.refused).toBe(INPUTS)
    // Else the mutations would show only what is refused at once.
    expect(seen.accepted).toBeGreaterThan(INPUTS / 100)
  })

  it('behaviour: what is not mutated is accepted', async () => {
    const bytes = await readFile(ACORN)
    expect(judgeGguf({ bytes, fileBytes: bytes.length })).toBe('accepted')
  })
})
