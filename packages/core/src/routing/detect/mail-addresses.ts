import type { Finder, Finding } from './finding.ts'
import { ALNUM, DASH, DIGIT, DOT, isOf, LETTER, MAIL_SIGN, type Scan, UNDERSCORE } from './scan.ts'

const LOCAL = ALNUM | DOT | DASH | UNDERSCORE | MAIL_SIGN
const DOMAIN = ALNUM | DOT | DASH
const MOST_LOCAL = 64
const MOST_DOMAIN = 253

/** Mail addresses, with letters of Latin, Greek and Cyrillic. */
export const findMailAddresses: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  let before = 0
  for (const at of scan.places('@')) {
    scan.count(AUTHORITY)
    const start = localStart(scan, at, before)
    const end = domainEnd(scan, at + 1)
    if (start < at && end !== null && !isRemote(text, start, at, end)) {
      found.push({ kind: 'mail', start, end })
      before = end
    }
  }
  return found
}

/** A letter that is written in names, beyond ASCII. */
function isLetter(code: number): boolean {
  return isOf(code, LETTER) || (code >= 0xc0 && code <= 0x24f) || (code >= 0x370 && code <= 0x52f)
}

function localStart(scan: Scan, at: number, from: number): number {
  const { text } = scan
  const least = Math.max(from, at - MOST_LOCAL)
  let start = at
  const isLocal = (i: number) => scan.is(i, LOCAL) || isLetter(text.charCodeAt(i))
  while (start > least && isLocal(start - 1)) start--
  scan.count(at - start + 1)
  // What is written around an address, or before it, is none of it.
  while (start < at && !(scan.is(start, ALNUM) || isLetter(text.charCodeAt(start)))) start++
  start += text.slice(start, at).lastIndexOf('=') + 1
  if (text[start - 1] === '\\' && scan.is(start, LETTER) && at - start > 1) start++
  return start
}

/** Where a domain ends; null: it is none. */
function domainEnd(scan: Scan, from: number): number | null {
  const { text } = scan
  const most = Math.min(text.length, from + MOST_DOMAIN)
  let end = from
  while (end < most && (scan.is(end, DOMAIN) || isLetter(text.charCodeAt(end)))) end++
  scan.count(end - from + 1)
  while (end > from && scan.is(end - 1, DOT | DASH)) end--
  const labels = text.slice(from, end).split('.')
  const last = labels.at(-1) ?? ''
  if (labels.length < 2 || labels.some((label) => label === '' || label.startsWith('-')))
    return null
  if (last.length < 2 || Array.from(last).some((letter) => !isLetter(letter.charCodeAt(0))))
    return null
  // Pictures for fine screens are called so: name@2x.png.
  return isOf(text.charCodeAt(from), DIGIT) && /^\d(?:\.\d)?x\b/.test(labels[0] ?? '') ? null : end
}

/** Before an address stands at most so much of an authority such as `https://user:password@host`. */
const AUTHORITY = 64

/** `git@host:path`, and users in addresses of other things than mail. */
function isRemote(text: string, start: number, at: number, end: number): boolean {
  const isPath = text[end] === ':' && /[\w/~]/.test(text[end + 1] ?? '')
  if (text.slice(start, at) === 'git' && isPath) return true
  return /:\/\/[^\s/]*$/.test(text.slice(Math.max(0, start - AUTHORITY), start))
}
