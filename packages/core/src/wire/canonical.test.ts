import { encode } from 'cborg'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../bytes.ts'
import { WireError } from '../errors.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { amount, bool, bytes, int, list, optional, record, text, uint, word } from './field.ts'

const pair = record({ a: uint(1_000), b: optional(text(5)) })

describe('canonical encoding', () => {
  it('default: gives back what was encoded', () => {
    const value = { a: 500, b: 'hello' }
    expect(decodeCanonical(pair, encodeCanonical(pair, value), 64)).toEqual(value)
    expect(encodeCanonical(pair, value)).toEqual(fromHex('821901f46568656c6c6f'))
  })

  const sound = '821901f46568656c6c6f'
  for (const [name, hex] of Object.entries({
    'a whole number in more bytes than it needs': '821a000001f46568656c6c6f',
    'a small number in two bytes': '8218076568656c6c6f',
    'a length in more bytes than it needs': '821901f4780568656c6c6f',
    'a list length in more bytes than it needs': '98021901f46568656c6c6f',
    'an indefinite list': '9f1901f46568656c6c6fff',
    'an indefinite text': '821901f47f6568656c6c6fff',
    'a field too few': '811901f4',
    'a field too many': '831901f46568656c6c6ff6',
    'extra bytes behind it': `${sound}00`,
    'a second message behind it': sound + sound,
    'a negative number': '82206568656c6c6f',
    'a float that is whole': '82f95fd06568656c6c6f',
    'a double that is whole': '82fb407f4000000000006568656c6c6f',
    'not a number': '82f97e006568656c6c6f',
    'minus zero': '82f980006568656c6c6f',
    'a number beyond 2^53': '821b00200000000000006568656c6c6f',
    'a big number by tag': '82c2411f6568656c6c6f',
    'a tag': 'd9d9f7821901f46568656c6c6f',
    'a map': 'a261611901f461626568656c6c6f',
    'undefined instead of null': '821901f4f7',
    'false instead of null': '821901f4f4',
    'bytes instead of a text': '821901f44568656c6c6f',
    'a text that is not UTF-8': '821901f465ff656c6c6f',
    'a text that is half of a pair': '821901f463eda080',
    'half a message': '821901f46568',
    'a length beyond the message': '821901f47affffffff68',
    nothing: '',
  })) {
    it(`behaviour: refuses ${name}`, () => {
      expect(() => decodeCanonical(pair, fromHex(hex), 64)).toThrow(WireError)
    })
  }

  it('behaviour: takes null where it is allowed', () => {
    expect(decodeCanonical(pair, fromHex('821901f4f6'), 64)).toEqual({ a: 500, b: null })
  })

  it('behaviour: survives lists in lists in lists', () => {
    const deep = new Uint8Array(500_000).fill(0x81)
    expect(() => decodeCanonical(pair, deep, deep.length)).toThrow(WireError)
  })

  it('behaviour: a message of the greatest size is taken, one byte more is not', () => {
    const blob = bytes({ max: 1_000 })
    const data = encodeCanonical(blob, new Uint8Array(500))
    expect(decodeCanonical(blob, data, data.length)).toEqual(new Uint8Array(500))
    expect(() => decodeCanonical(blob, data, data.length - 1)).toThrow(/too large/)
  })

  it('behaviour: whatever is decoded has no other encoding', () => {
    const field = list(record({ a: uint(50), b: int(-3, 3), c: bool(), d: word('x', 'y') }), 3)
    const items = fc.oneof(
      fc.nat(60),
      fc.boolean(),
      fc.constant(null),
      fc.double(),
      fc.string({ maxLength: 3 }),
    )
    const anything = fc.array(
      fc.array(items, { minLength: 4, maxLength: 4 }).chain((row) =>
        fc.oneof(
          fc.constant(row),
          fc.tuple(fc.nat(50), fc.nat(6), fc.boolean(), fc.nat(1)).map((sane): unknown[] => sane),
        ),
      ),
      { maxLength: 4 },
    )
    let taken = 0
    fc.assert(
      fc.property(anything, (raw) => {
        const data = encode(raw)
        try {
          expect(encodeCanonical(field, decodeCanonical(field, data, 1_000))).toEqual(data)
          taken++
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { seed: 1, numRuns: 500 },
    )
    expect(taken).toBeGreaterThan(50)
  })
})

describe('fields', () => {
  const accepts = <T>(field: Parameters<typeof encodeCanonical<T>>[0], value: T) =>
    expect(decodeCanonical(field, encodeCanonical(field, value), 4_096)).toEqual(value)
  const refuses = (field: Parameters<typeof decodeCanonical>[0], raw: unknown) => {
    expect(() => decodeCanonical(field, encode(raw), 4_096)).toThrow(WireError)
  }

  it('default: uint', () => {
    accepts(uint(7), 0)
    accepts(uint(7), 7)
    for (const raw of [8, -1, 1.5, '1', true, null, [1]]) refuses(uint(7), raw)
    expect(() => encodeCanonical(uint(7), 8)).toThrow(WireError)
  })

  it('behaviour: int carries either sign', () => {
    for (const value of [-3, 0, 4]) accepts(int(-3, 4), value)
    for (const value of [-4, 5]) expect(() => encodeCanonical(int(-3, 4), value)).toThrow(WireError)
    refuses(int(-3, 4), 8)
  })

  it('behaviour: bytes have their length', () => {
    accepts(bytes(2), Uint8Array.of(1, 2))
    for (const size of [1, 3]) refuses(bytes(2), new Uint8Array(size))
    accepts(bytes({ max: 2 }), Uint8Array.of())
    refuses(bytes({ max: 2 }), new Uint8Array(3))
    refuses(bytes({ max: 2 }), 'ab')
  })

  it('behaviour: text holds nothing that fools a terminal', () => {
    accepts(text(4), 'añ🌰')
    refuses(text(4), 'abcde')
    for (const code of [0, 7, 9, 10, 13, 27, 0x7f, 0x85, 0x9b, 0x202e, 0x2066, 0x200f, 0x2028]) {
      refuses(text(4), `a${String.fromCodePoint(code)}b`)
    }
  })

  it('behaviour: words and truth values are nothing else', () => {
    for (const value of ['x', 'y'] as const) accepts(word('x', 'y'), value)
    refuses(word('x', 'y'), 2)
    refuses(word('x', 'y'), 'x')
    refuses(bool(), 1)
    accepts(bool(), true)
  })

  it('behaviour: amounts are 16 bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 128n - 1n), (value) => {
        accepts(amount(), value)
      }),
    )
    accepts(amount(), 2n ** 128n - 1n)
    expect(() => encodeCanonical(amount(), 2n ** 128n)).toThrow(WireError)
    expect(() => encodeCanonical(amount(), -1n)).toThrow(WireError)
    for (const raw of [5, new Uint8Array(15), new Uint8Array(17)]) refuses(amount(), raw)
  })

  it('behaviour: lists have an end', () => {
    accepts(list(uint(9), 2), [1, 2])
    refuses(list(uint(9), 2), [1, 2, 3])
    refuses(list(uint(9), 2), 1)
    expect(() => encodeCanonical(list(uint(9), 2), [1, 2, 3])).toThrow(WireError)
  })

  it('behaviour: the error names the field', () => {
    const field = record({ rows: list(record({ count: uint(3) }), 5) })
    expect(() => decodeCanonical(field, encode([[[1], [4]]]), 100)).toThrow(/rows\[1\]\.count/)
  })
})
