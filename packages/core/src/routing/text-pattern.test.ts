import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scan } from './detect/scan.ts'
import {
  findPattern,
  isNamed,
  MOST_PATTERN,
  readPattern,
  type TextPattern,
} from './text-pattern.ts'

function pattern(source: string): TextPattern {
  const read = readPattern(source)
  if (typeof read === 'string') throw new Error(read)
  return read
}

const found = (source: string, text: string) =>
  findPattern(new Scan(text), pattern(source)).map(({ start, end }) => text.slice(start, end))

describe('findPattern', () => {
  it('default: finds words in either case, and a star within one line', () => {
    expect(found('Project Falcon', 'project falcon, PROJECT FALCON')).toHaveLength(2)
    expect(found('ACME-*-internal', 'acme-7-internal and ACME-\nx-internal')).toEqual([
      'acme-7-internal',
    ])
    expect(found('a*b', 'a1b a2b\nab')).toEqual(['a1b', 'a2b', 'ab'])
  })

  it('behaviour: signs of other pattern languages are just signs', () => {
    expect(found('(a+)+$', 'aaaa (A+)+$')).toEqual(['(A+)+$'])
  })

  it('behaviour: letters that fold to several keep every place where it is', () => {
    expect(found('falcon', 'İİ FALCON')).toEqual(['FALCON'])
  })

  it('behaviour: finds what an expression finds', () => {
    const part = fc.constantFrom('a', 'b', 'ab', '*', ' ', 'c')
    const source = fc
      .array(part, { minLength: 1, maxLength: 5 })
      .map((parts) => parts.join(''))
      .filter((text) => typeof readPattern(text) !== 'string')
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', '\n'), maxLength: 60 })
    fc.assert(
      fc.property(source, text, (one, other) => {
        const parts = one.split('*').filter((each) => each !== '')
        expect(found(one, other)).toEqual(other.match(new RegExp(parts.join('.*?'), 'g')) ?? [])
      }),
      { numRuns: 500 },
    )
  })

  it('behaviour: no text makes it slow', () => {
    const steps = (length: number) => {
      const scan = new Scan('ab'.repeat(length / 2))
      findPattern(scan, pattern('a*b*a*b*c'))
      return scan.steps
    }
    expect(steps(100_000) / steps(10_000)).toBeLessThan(11)
  })
})

describe('readPattern', () => {
  it('behaviour: what makes no sense is refused', () => {
    expect(readPattern('')).toMatch(/match everything/)
    expect(readPattern('* *')).toMatch(/match everything/)
    expect(readPattern('a\nb')).toMatch(/more than one line/)
    expect(readPattern('a'.repeat(MOST_PATTERN + 1))).toMatch(/longer/)
  })
})

describe('isNamed', () => {
  it('default: a name is meant as a whole', () => {
    const is = (source: string, name: string) => isNamed(name, pattern(source))
    expect([is('acorn', 'Acorn'), is('acorn', 'acorn-small'), is('corn', 'acorn')]).toEqual([
      true,
      false,
      false,
    ])
    expect([is('qwen*', 'Qwen3-8B'), is('*8b', 'Qwen3-8B'), is('q*3*b', 'Qwen3-8B')]).toEqual([
      true,
      true,
      true,
    ])
    expect([is('*b*8', 'b8x'), is('ab*ba', 'aba')]).toEqual([false, false])
  })
})
