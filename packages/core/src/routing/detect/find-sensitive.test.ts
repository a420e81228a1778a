import { readFileSync } from 'node:fs'
import { validateMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCorpus } from './corpus.fixture.ts'
import { FINDERS, findSensitive } from './find-sensitive.ts'
import { KINDS } from './finding.ts'
import { joinOverlaps } from './join-overlaps.ts'
import { hasIbanDigits, hasLuhnDigit } from './payment.ts'
import { Scan, TooDenseError } from './scan.ts'

const VECTORS = new URL('../../../../../vectors/sensitive.json', import.meta.url)
const corpus = readCorpus(readFileSync(VECTORS, 'utf8'))

/** What is found, as kinds and words. */
const found = (text: string) =>
  findSensitive(text).map(({ kind, start, end }) => [kind, text.slice(start, end)])
const kindsIn = (text: string) => findSensitive(text).map(({ kind }) => kind)

describe('findSensitive', () => {
  it.each(corpus)('default: $text', ({ text, expected }) => {
    const words = ({ kind, start, end }: (typeof expected)[number]) => [
      kind,
      text.slice(start, end),
    ]
    expect(findSensitive(text).map(words)).toEqual(expected.map(words))
  })

  it('behaviour: each kind is in the corpus, and each kind of harmless text is left alone', () => {
    const kinds = new Set(corpus.flatMap(({ expected }) => expected.map(({ kind }) => kind)))
    expect([...kinds, 'text'].sort()).toEqual(Object.keys(KINDS).sort())
    expect(
      corpus.filter(({ expected, missed }) => expected.length + missed.length === 0).length,
    ).toBeGreaterThan(60)
  })

  it('behaviour: what is found does not depend on what stands around it', () => {
    const around = fc.constantFrom('', ' ', '\n', '"', "'", '(', '\\n', ', ', '\t', '> ')
    const some = fc.constantFrom(
      ...corpus.flatMap(({ text, expected }) =>
        expected
          .filter(({ kind }) => ['mail', 'iban', 'card', 'github-token', 'jwt'].includes(kind))
          .map(({ kind, start, end }) => ({ kind, value: text.slice(start, end) })),
      ),
    )
    fc.assert(
      fc.property(
        around,
        some,
        fc.constantFrom('', '.', ',', '\n', '"', ')', ' x'),
        (a, one, b) => {
          expect(found(`${a}${one.value}${b}`)).toEqual([[one.kind, one.value]])
        },
      ),
    )
  })

  it('behaviour: whatever the text, places are in it and in order', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(...corpus.map(({ text }) => text)),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const text = parts.join('')
        let before = 0
        for (const { start, end } of joinOverlaps(findSensitive(text))) {
          expect(start).toBeGreaterThanOrEqual(before)
          expect(end).toBeGreaterThan(start)
          before = end
        }
        expect(before).toBeLessThanOrEqual(text.length)
      }),
    )
  })
})

const digits = (count: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: count, maxLength: count })

describe('check digits', () => {
  const card = digits(14).map((some) => {
    const body = `4${some.join('')}`
    return body + Array.from('0123456789').find((last) => hasLuhnDigit(body + last))
  })

  it('default: one of ten last digits fits, and every wrong digit is found', () => {
    fc.assert(
      fc.property(card, fc.nat(15), fc.integer({ min: 1, max: 9 }), (number, at, add) => {
        const wrong = `${number.slice(0, at)}${(Number(number[at]) + add) % 10}${number.slice(at + 1)}`
        expect([hasLuhnDigit(number), hasLuhnDigit(wrong)]).toEqual([true, false])
        expect(kindsIn(`${number} and ${wrong}`)).toEqual(at === 0 ? kindsIn(number) : ['card'])
      }),
    )
  })

  it('default: an IBAN holds, and none with a wrong or a swapped digit', () => {
    const iban = digits(18).map((some) => {
      const account = some.join('')
      const check = [...Array(98).keys()].find((n) =>
        hasIbanDigits(`DE${String(n).padStart(2, '0')}${account}`),
      )
      return `DE${String(check).padStart(2, '0')}${account}`
    })
    const at = fc.integer({ min: 4, max: 20 })
    fc.assert(
      fc.property(iban, at, fc.integer({ min: 1, max: 9 }), (number, place, add) => {
        expect(found(number)).toEqual([['iban', number]])
        expect(found(number.replace(/(.{4})/g, '$1 ').trim())).toHaveLength(1)
        const wrong = `${number.slice(0, place)}${(Number(number[place]) + add) % 10}${number.slice(place + 1)}`
        expect(hasIbanDigits(wrong)).toBe(false)
        const [a, b] = [number[place], number[place + 1]]
        const swapped = `${number.slice(0, place)}${b}${a}${number.slice(place + 2)}`
        expect(hasIbanDigits(swapped)).toBe(a === b)
      }),
    )
  })

  it('default: twelve words of the list are a phrase when their checksum holds', () => {
    const words = fc.array(fc.constantFrom(...wordlist), { minLength: 12, maxLength: 12 })
    fc.assert(
      fc.property(words, (all) => {
        const phrase = all.join(' ')
        const expected = validateMnemonic(phrase, wordlist) ? ['recovery-phrase'] : []
        expect(kindsIn(phrase).filter((kind) => kind === 'recovery-phrase')).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })
})

describe('hostile texts', () => {
  /** Texts that make careless searches slow: each begins something over and over. */
  const HOSTILE = [
    ...['a', '0', ' ', '\n', '@', 'a@', '@a.', 'a.', 'a@a.', '.', '-', '=', ':', '://', '://a:'],
    ...[
      'eyJ',
      '.eyJ',
      'eyJa.',
      'sk-',
      'ghp_',
      'ghp_a1',
      'AKIA',
      'xoxb-1',
      'Bearer ',
      'AIza-',
      'SG.',
    ],
    ...[
      '-----BEGIN ',
      '-----BEGIN PRIVATE KEY-----',
      '-----BEGIN PRIVATE KEY-----\n\n',
      '-----END ',
    ],
    ...[
      'Private-Lines: ',
      'zoo ',
      'abandon ',
      'zoo, 1. ',
      '0x',
      'ff',
      '0x0f',
      'key=',
      'token:',
      '\\n',
    ],
    ...[
      'password=',
      'password is ',
      'secret: "',
      "pwd='",
      '+1',
      '+49 ',
      '(030) ',
      '0 ',
      '01 ',
      '1-',
    ],
    ...[
      '415-',
      '4111 ',
      '41',
      '4-',
      'DE',
      'DE89',
      'DE89 ',
      'DE89 3704 ',
      '[',
      '%3D',
      "\\'",
      'é',
      '\ud83d',
    ],
    ...[
      'tel ',
      'phone: 1',
      'a=b ',
      '"a":"',
      'https://a@',
      'hooks.slack.com/services/',
      '00',
      '0041 ',
    ],
  ]

  it.each(HOSTILE)('behaviour: %j takes steps in proportion to its length', (unit) => {
    const steps = (length: number): number => {
      const scan = new Scan(unit.repeat(Math.ceil(length / unit.length)).slice(0, length))
      // What gives up has counted as much as it may.
      try {
        for (const find of FINDERS) find(scan)
      } catch (error) {
        expect(error).toBeInstanceOf(TooDenseError)
      }
      return scan.steps
    }
    expect(steps(200_000) / steps(20_000)).toBeLessThan(11)
  })

  it('behaviour: ten megabytes are looked through, or given up by count', {
    timeout: 300_000,
  }, () => {
    const look = (unit: string) => findSensitive(unit.repeat(10_000_000 / unit.length))
    expect(() => look('eyJa.')).not.toThrow()
    expect(() => look('zoo ')).toThrow(TooDenseError)
  })
})
