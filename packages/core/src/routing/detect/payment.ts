import type { Finder, Finding } from './finding.ts'
import { ALNUM, DIGIT, LETTER, type Scan } from './scan.ts'

/** Who issues cards: first digits, as ranges of as many digits, and how many digits a card has. */
const CARDS: readonly (readonly [from: number, to: number, lengths: readonly number[]])[] = [
  [4, 4, [16, 19]],
  [51, 55, [16]],
  [2221, 2720, [16]],
  [34, 34, [15]],
  [37, 37, [15]],
  [6011, 6011, [16, 19]],
  [644, 649, [16, 19]],
  [65, 65, [16, 19]],
  [3528, 3589, [16, 19]],
  [300, 305, [14]],
  [36, 36, [14]],
  [38, 39, [14]],
  [62, 62, [16, 17, 18, 19]],
  [50, 50, [16, 17, 18, 19]],
  [56, 58, [16, 17, 18, 19]],
  [67, 67, [16, 17, 18, 19]],
]
const LEAST_CARD = 14
const MOST_CARD = 19

/** How people write the digits of a card in groups. */
const GROUPS = /^(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5})$/

/** Numbers of payment cards: of an issuer, of the right length, with Luhn's digit. */
export const findCards: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    // No card begins with another digit.
    if (!/[2-6]/.test(text[at] as string) || !isFree(scan, at - 1)) continue
    const end = cardEnd(scan, at)
    if (end !== null) {
      found.push({ kind: 'card', start: at, end })
      at = end - 1
    }
  }
  return found
}

/** Whether no number or word goes on at the edge of a number. */
function isFree(scan: Scan, at: number): boolean {
  const { text } = scan
  if (scan.is(at, ALNUM)) return text[at - 1] === '\\' && scan.is(at, LETTER)
  return !(text[at] === '.' && scan.is(at - 1, DIGIT)) && text[at] !== '_'
}

function cardEnd(scan: Scan, start: number): number | null {
  const { text } = scan
  let digits = ''
  let best: number | null = null
  let at = start
  for (; at < text.length && digits.length <= MOST_CARD; at++) {
    if (scan.is(at, DIGIT)) digits += text[at]
    else if (!(/[ -]/.test(text[at] as string) && scan.is(at + 1, DIGIT))) break
    const isEnd = !scan.is(at + 1, ALNUM) && !(text[at + 1] === '.' && scan.is(at + 2, DIGIT))
    const isLong = digits.length >= LEAST_CARD && scan.is(at, DIGIT)
    if (isLong && isEnd && isCard(digits, text.slice(start, at + 1))) best = at + 1
  }
  scan.count(at - start)
  return best
}

function isCard(digits: string, written: string): boolean {
  if (written !== digits && !GROUPS.test(written)) return false
  const issuer = CARDS.find(([from, to]) => {
    const first = Number(digits.slice(0, String(from).length))
    return first >= from && first <= to
  })
  return issuer?.[2].includes(digits.length) === true && hasLuhnDigit(digits)
}

/** ISO/IEC 7812-1, annex B. */
export function hasLuhnDigit(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const twice = 2 * digit
    sum += i % 2 === 0 ? digit : twice > 9 ? twice - 9 : twice
  }
  return sum % 10 === 0
}

/** Length of an IBAN by its country, from the registry of SWIFT. */
const IBAN_LENGTHS = new Map(
  `AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28
  EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26
  IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28
  NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25
  SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30`
    .split(/\s+/)
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)

/** Bank accounts: an IBAN of its country's length, whose check digits hold. */
export const findIbans: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at + 4 <= text.length; at++) {
    if (!scan.is(at, LETTER) || !scan.is(at + 1, LETTER)) continue
    if (!scan.is(at + 2, DIGIT) || !scan.is(at + 3, DIGIT) || !scan.isStart(at, ALNUM)) continue
    const length = IBAN_LENGTHS.get(text.slice(at, at + 2).toUpperCase())
    const end = length === undefined ? null : ibanEnd(scan, at, length)
    if (end !== null) found.push({ kind: 'iban', start: at, end })
  }
  return found
}

function ibanEnd(scan: Scan, start: number, length: number): number | null {
  const { text } = scan
  let iban = ''
  let at = start
  for (; iban.length < length; at++) {
    if (scan.is(at, ALNUM)) iban += text[at]
    else if (!(iban.length % 4 === 0 && /[ -]/.test(text[at] ?? '') && scan.is(at + 1, ALNUM)))
      break
  }
  scan.count(at - start)
  return iban.length === length && !scan.is(at, ALNUM) && hasIbanDigits(iban) ? at : null
}

/** ISO 13616: with its first four characters at its end, and letters as 10 to 35, it is 1 modulo 97. */
export function hasIbanDigits(iban: string): boolean {
  let rest = 0
  for (const character of (iban.slice(4) + iban.slice(0, 4)).toUpperCase()) {
    const value = Number.parseInt(character, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
