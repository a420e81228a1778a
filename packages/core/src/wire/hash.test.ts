import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../bytes.ts'
import { type HashTag, taggedHash } from './hash.ts'

const TAGS: Record<HashTag, true> = {
  answer: true,
  certificate: true,
  debtor: true,
  egress: true,
  lp: true,
  manifest: true,
  nonce: true,
  offer: true,
  open: true,
  'pair-commit': true,
  'pair-proof': true,
  'pair-words': true,
  payee: true,
  prompt: true,
  receipt: true,
  request: true,
  run: true,
  sampler: true,
  seed: true,
  signed: true,
  template: true,
}
const tags = Object.keys(TAGS) as HashTag[]

describe('taggedHash', () => {
  it('default: SHA-256 over length-framed tag and parts', () => {
    const expected = createHash('sha256')
      .update(Buffer.from('0f000000', 'hex'))
      .update('freehold/1/seed')
      .update(Buffer.from('03000000', 'hex'))
      .update('abc')
      .update(Buffer.from('00000000', 'hex'))
      .digest('hex')
    expect(toHex(taggedHash('seed', utf8('abc'), new Uint8Array(0)))).toBe(expected)
  })

  it('behaviour: no hash stands for another with a different tag', () => {
    const all = tags.flatMap((tag) => [
      taggedHash(tag),
      taggedHash(tag, new Uint8Array(0)),
      taggedHash(tag, new Uint8Array(32)),
      // A tag smuggled in as a part stays a part.
      ...tags.map((other) => taggedHash(tag, utf8(`freehold/1/${other}`))),
    ])
    expect(new Set(all.map(toHex)).size).toBe(all.length)
  })

  it('behaviour: bytes do not move from one part to the next', () => {
    const part = fc.uint8Array({ maxLength: 6 })
    const parts = fc.array(part, { maxLength: 4 })
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const isSame = JSON.stringify(a.map(toHex)) === JSON.stringify(b.map(toHex))
        expect(toHex(taggedHash('run', ...a)) === toHex(taggedHash('run', ...b))).toBe(isSame)
      }),
      { numRuns: 300 },
    )
    const [ab, c, a, bc] = [utf8('ab'), utf8('c'), utf8('a'), utf8('bc')]
    expect(toHex(taggedHash('run', ab, c))).not.toBe(toHex(taggedHash('run', a, bc)))
  })
})
