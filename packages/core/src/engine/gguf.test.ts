import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelError } from '../errors.ts'
import { ggufStrings, HeaderCut, parseGguf } from './gguf.ts'
import { type SmallGgufInit, smallGguf } from './small-gguf.fixture.ts'

const build = (init: SmallGgufInit = {}) => Buffer.from(smallGguf(init))

describe('parseGguf', () => {
  it('default: reads metadata and where the tensors lie', () => {
    const bytes = build()
    const header = parseGguf(bytes, bytes.length)
    expect(header.metadata.get('general.architecture')).toBe('llama')
    expect(header.metadata.get('a.flag')).toBe(true)
    expect(header.metadata.get('a.big')).toBe(2n ** 60n)
    expect(ggufStrings(header, 'a.list')).toEqual(['x', 'Ċ'])
    expect(ggufStrings(header, 'a.flag')).toBeUndefined()
    const { dataOffset } = header
    expect(dataOffset % 64).toBe(0)
    expect(header.tensors).toEqual([
      { name: 'one', type: 8, dimensions: [32, 3], offset: dataOffset, sizeBytes: 102 },
      { name: 'two', type: 0, dimensions: [5], offset: dataOffset + 128, sizeBytes: 20 },
    ])
  })

  it('behaviour: says what is wrong', () => {
    const wrong: [Buffer, RegExp][] = [
      [Buffer.from('%PDF-1.7 and more'), /letters GGUF/],
      [build({ version: 1 }), /version is 1/],
      [build({ alignment: 48 }), /no power of two/],
      [build({ alignment: 0 }), /no power of two/],
      [build({ secondOffset: 100 }), /two is not aligned/],
      [build({ secondOffset: 192 }), /the tensor two needs/],
      [build({ secondOffset: 64 }), /two lies where none should/],
      [emptyKey(build()), /key is empty/],
      [replace(build(), 'two', 'one'), /one is there twice/],
      [replace(build(), 'a.flag', 'a.list'), /a\.list is there twice/],
    ]
    for (const [bytes, message] of wrong) {
      expect(() => parseGguf(bytes, bytes.length)).toThrow(ModelError)
      expect(() => parseGguf(bytes, bytes.length)).toThrow(message)
    }
  })

  it('behaviour: does not believe huge counts', () => {
    for (const at of [8, 16, 24]) {
      for (const count of [2n ** 64n - 1n, 2n ** 53n, 2n ** 31n]) {
        const bytes = build()
        bytes.writeBigUInt64LE(count, at)
        expect(() => parseGguf(bytes, bytes.length)).toThrow(/not believed/)
      }
    }
  })

  it('behaviour: a file that ends early is cut, wherever it ends', () => {
    const bytes = build()
    const { dataOffset } = parseGguf(bytes, bytes.length)
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.subarray(0, length)
      const expected = length < dataOffset - 64 ? HeaderCut : Error
      expect(() => parseGguf(part, length)).toThrow(expected)
    }
  })

  it('behaviour: whatever bytes come, it is parsed, cut or refused', () => {
    const sound = build()
    const edits = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = Buffer.from(sound)
        for (const [at, value] of changes) bytes[at] = value
        try {
          parseGguf(bytes, bytes.length)
        } catch (error) {
          expect(error instanceof ModelError || error instanceof HeaderCut).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

/** Gives the first key no letters. */
function emptyKey(bytes: Buffer): Buffer {
  bytes.writeBigUInt64LE(0n, 24)
  return bytes
}

function replace(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from))
  return bytes
}
