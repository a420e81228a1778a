import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inRanges } from './block-ranges.ts'

describe('inRanges', () => {
  it('behaviour: whatever a node allows, each block is read once and in order', async () => {
    const span = fc.record({
      from: fc.bigInt(0n, 100n),
      count: fc.bigInt(0n, 60_000n),
      allowed: fc.bigInt(700n, 50_000n),
    })
    await fc.assert(
      fc.asyncProperty(span, async ({ from, count, allowed }) => {
        let next = from
        const read = async (start: bigint, end: bigint) => {
          if (end - start + 1n > allowed) throw new Error('range too large')
          expect(start).toBe(next)
          next = end + 1n
        }
        await inRanges(read, { from, to: from + count })
        expect(next).toBe(from + count + 1n)
      }),
      { numRuns: 30 },
    )
  })

  it('behaviour: a node that answers nothing is told, and not asked for ever', async () => {
    let asked = 0
    const read = async () => {
      asked++
      throw new Error('gone')
    }
    await expect(inRanges(read, { from: 0n, to: 1_000_000n })).rejects.toThrow('gone')
    expect(asked).toBeLessThan(20)
  })

  it('behaviour: ends with the signal', async () => {
    const signal = AbortSignal.abort()
    const reading = inRanges(async () => {}, { from: 0n, to: 9n, signal })
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' })
  })
})
