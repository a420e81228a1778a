import { describe, expect, it } from 'vitest'
import { ModelError } from '../errors.ts'
import { ggufStrings, parseGguf } from './gguf.ts'
import { smallGguf } from './small-gguf.fixture.ts'
import { tensorlessGguf } from './tensorless-gguf.ts'

const whole = smallGguf()
const { dataOffset: headerBytes } = parseGguf(whole, whole.length)
const model = { sizeBytes: whole.length, headerBytes }

describe('tensorlessGguf', () => {
  it('default: keeps all metadata and no tensor', () => {
    const { gguf } = tensorlessGguf(whole.slice(0, headerBytes), model)
    const header = parseGguf(gguf, gguf.length)
    expect(header.tensors).toEqual([])
    expect(header.metadata).toEqual(parseGguf(whole, whole.length).metadata)
    expect(ggufStrings(header, 'a.list')).toEqual(['x', 'Ċ'])
  })

  it('behaviour: what follows the header changes nothing, and nothing is changed', () => {
    const before = whole.slice()
    const { gguf } = tensorlessGguf(whole, model)
    expect(gguf).toEqual(tensorlessGguf(whole.slice(0, headerBytes), model).gguf)
    expect(whole).toEqual(before)
  })

  it('behaviour: says what is wrong', () => {
    const several = smallGguf({ split: 2 })
    const wrong: [Uint8Array, typeof model, RegExp][] = [
      [whole.slice(0, headerBytes - 65), model, /ends too early/],
      [whole, { ...model, headerBytes: headerBytes + 64 }, /its manifest says/],
      [whole, { ...model, sizeBytes: headerBytes + 10 }, /cut off/],
      [several, model, /one of several files/],
      [whole.slice(1), model, /letters GGUF/],
    ]
    for (const [bytes, manifest, message] of wrong) {
      expect(() => tensorlessGguf(bytes, manifest)).toThrow(ModelError)
      expect(() => tensorlessGguf(bytes, manifest)).toThrow(message)
    }
  })
})
