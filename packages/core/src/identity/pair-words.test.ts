import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { toHex } from '../bytes.ts'
import { systemRandom } from '../platform.ts'
import {
  createPairCode,
  type PairParties,
  pairCommit,
  pairProof,
  pairWords,
  readPairCode,
} from './pair-words.ts'

const parties: PairParties = { host: filled(32, 1), guest: filled(32, 2), as: 'own' }
const others: PairParties[] = [
  { ...parties, host: filled(32, 3) },
  { ...parties, guest: filled(32, 3) },
  { ...parties, as: 'friend' },
  { ...parties, host: parties.guest, guest: parties.host },
]

describe('pairWords', () => {
  it('default: three words that depend on both keys, both nonces and what it is for', () => {
    const [n, m] = [filled(32, 4), filled(32, 5)]
    const words = pairWords(parties, n, m)
    // As another implementation would find them.
    expect(words).toEqual(['sail', 'discover', 'wheat'])
    const changed = [
      ...others.map((other) => pairWords(other, n, m)),
      pairWords(parties, m, n),
      pairWords(parties, n, n),
    ]
    for (const each of changed) expect(each).not.toEqual(words)
  })

  it('behaviour: 33 bits are spread over the words, so that a guess is right once in 2^33', () => {
    const seen = [new Set<string>(), new Set<string>(), new Set<string>()]
    for (let i = 0; i < 3_000; i++) {
      const words = pairWords(parties, systemRandom(32), systemRandom(32))
      for (const [place, word] of words.entries()) seen[place]?.add(word)
    }
    // Of 2,048 words 3,000 draws leave out about a quarter.
    for (const words of seen) expect(words.size).toBeGreaterThan(1_400)
  })
})

describe('pairCommit and pairProof', () => {
  it('default: bind the keys, so that neither can be handed on to somebody else', () => {
    const nonce = filled(32, 4)
    const commit = pairCommit(parties, nonce)
    const proof = pairProof('K7QM-2XPD', parties, commit, nonce)
    const all = [
      proof,
      pairProof('K7QM-2XPE', parties, commit, nonce),
      pairProof('K7QM-2XPD', parties, nonce, nonce),
      pairProof('K7QM-2XPD', parties, commit, commit),
      commit,
      ...others.flatMap((other) => [
        pairCommit(other, nonce),
        pairProof('K7QM-2XPD', other, commit, nonce),
      ]),
    ]
    expect(new Set(all.map(toHex)).size).toBe(all.length)
  })
})

describe('readPairCode', () => {
  it('default: reads each code however it was typed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const code = createPairCode(() => bytes)
        expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
        const typed = code.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l').replace('-', ' ')
        expect(readPairCode(` ${typed} `)).toBe(code)
      }),
    )
  })

  it('behaviour: anything else is refused', () => {
    for (const text of ['', 'K7QM-2XP', 'K7QM-2XPDD', 'K7QM-2XPU', 'K7QM_2XPD']) {
      expect(() => readPairCode(text)).toThrow(/no pairing code/)
    }
  })
})
