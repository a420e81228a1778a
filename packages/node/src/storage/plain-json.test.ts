import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromJson, toJson } from './plain-json.ts'

describe('plain JSON', () => {
  it('default: keeps bigints and bytes', () => {
    const value = { amount: 5n, sig: Uint8Array.of(1, 2), list: [{ deep: -1n }], none: null }
    expect(fromJson(toJson(value))).toEqual(value)
  })

  it('behaviour: keeps whatever plain data it is given', () => {
    const leaf = fc.oneof(
      fc.bigInt(),
      fc.uint8Array({ maxLength: 20 }),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.integer(),
    )
    const key = fc
      .string({ maxLength: 8 })
      .filter((name) => !name.startsWith('$') && name !== '__proto__')
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(key, tie('any'), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).any
    fc.assert(
      fc.property(value, (any) => {
        expect(fromJson(toJson(any))).toEqual(any)
      }),
    )
  })

  it('behaviour: a Buffer is bytes', () => {
    const value = { at: [Buffer.from('abc')], top: Buffer.from('d') }
    expect(fromJson(toJson(value))).toEqual({
      at: [Uint8Array.of(97, 98, 99)],
      top: Uint8Array.of(100),
    })
    expect(fromJson(toJson(Buffer.from('d')))).toEqual(Uint8Array.of(100))
  })

  it('behaviour: a part of a buffer is that part', () => {
    const part = new Uint8Array(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2)
    expect(fromJson(toJson(part))).toEqual(Uint8Array.of(2, 3))
  })

  it('behaviour: numbers that are not in JSON stop the writer instead of turning into null', () => {
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      expect(() => toJson({ deep: [value] })).toThrow(TypeError)
    }
  })
})
