import * as fc from 'fast-check'
import { expect } from 'vitest'
import { WireError } from '../errors.ts'

/** A message with one byte changed is refused, or it is another message that is spelt just so. */
export function expectChangedBytesShow(
  data: Uint8Array,
  again: (data: Uint8Array) => Uint8Array,
): void {
  expect(again(data)).toEqual(data)
  fc.assert(
    fc.property(fc.nat(data.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = data.slice()
      changed.set([(data[at] ?? 0) ^ mask], at)
      try {
        expect(again(changed)).toEqual(changed)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
  )
}
