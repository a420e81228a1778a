import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packLogits } from './pack-logits.ts'

describe('packLogits', () => {
  it('default: highest first, equal ones by lower id, position after position', () => {
    const packed = packLogits([
      new Map([
        [9, 1],
        [4, 2],
        [2, 1],
      ]),
      new Map([
        [1, -1],
        [2, -3],
      ]),
    ])
    expect(packed).toEqual({
      widths: Uint32Array.of(3, 2),
      ids: Uint32Array.of(4, 2, 9, 1, 2),
      logits: Float32Array.of(2, 1, 1, -1, -3),
    })
    expect(packLogits([]).widths).toHaveLength(0)
  })

  it('behaviour: the order of what comes in does not matter', () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat(50), fc.integer({ min: -3, max: 3 })), {
      selector: ([id]) => id,
    })
    fc.assert(
      fc.property(entries, (pairs) => {
        expect(packLogits([new Map(pairs.toReversed())])).toEqual(packLogits([new Map(pairs)]))
      }),
    )
  })

  it('behaviour: refuses what is no number', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => packLogits([new Map([[1, bad]])])).toThrow(RangeError)
    }
  })
})
