import { pbkdf2Sync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { filled, TEST_PHRASE } from '../answer.fixture.ts'
import { toHex } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import { createPhrase, phraseSeed } from './phrase.ts'

/** The seed by BIP-39's own description. */
function pbkdf2Seed(words: string, passphrase: string): string {
  return pbkdf2Sync(words, `mnemonic${passphrase}`, 2_048, 64, 'sha512').toString('hex')
}

describe('createPhrase', () => {
  it('default: gives the words of Trezor’s vectors', () => {
    const repeated = (words: string, times: number, last: string) =>
      `${new Array<string>(times).fill(words).join(' ')} ${last}`
    // From vectors.json of trezor/python-mnemonic, entropy of 32 bytes.
    const legal = 'legal winner thank year wave sausage worth useful'
    const letter = 'letter advice cage absurd amount doctor acoustic avoid'
    const vectors: [value: number, words: string][] = [
      [0x00, repeated('abandon', 23, 'art')],
      [0x7f, repeated(legal, 2, 'legal winner thank year wave sausage worth title')],
      [0x80, repeated(letter, 2, 'letter advice cage absurd amount doctor acoustic bless')],
      [0xff, repeated('zoo', 23, 'vote')],
    ]
    for (const [value, words] of vectors) {
      expect(createPhrase((size) => filled(size, value))).toBe(words)
      expect(toHex(phraseSeed(words))).toBe(pbkdf2Seed(words, ''))
    }
  })

  it('behaviour: two phrases are not the same', () => {
    const random = (size: number) => crypto.getRandomValues(new Uint8Array(size))
    const [a, b] = [createPhrase(random), createPhrase(random)]
    expect(a).not.toBe(b)
    expect(a.split(' ')).toHaveLength(24)
    expect(phraseSeed(a)).toHaveLength(64)
  })
})

describe('phraseSeed', () => {
  it('default: is BIP-39’s seed', () => {
    // Trezor's vector has a passphrase, which we do not use: it vouches for the helper.
    expect(pbkdf2Seed(TEST_PHRASE, 'TREZOR')).toBe(
      'c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553' +
        '1f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04',
    )
    expect(toHex(phraseSeed(TEST_PHRASE))).toBe(pbkdf2Seed(TEST_PHRASE, ''))
  })

  it('behaviour: forgives spaces and capitals', () => {
    const sloppy = `  ${TEST_PHRASE.toUpperCase().replaceAll(' ', ' \n ')} `
    expect(phraseSeed(sloppy)).toEqual(phraseSeed(TEST_PHRASE))
  })

  it('behaviour: refuses wrong words, a wrong order and a wrong number', () => {
    const words = TEST_PHRASE.split(' ')
    const bad = [
      '',
      words.slice(1).join(' '),
      words.with(0, 'abandonn').join(' '),
      words.with(11, 'abandon').join(' '),
      [...words].reverse().join(' '),
    ]
    for (const phrase of bad) expect(() => phraseSeed(phrase)).toThrow(IdentityError)
  })
})
