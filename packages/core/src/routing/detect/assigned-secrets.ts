import type { Finder, Finding } from './finding.ts'
import { ALNUM, BASE64URL, DIGIT, DOT, LETTER, type Scan } from './scan.ts'

const MOST_NAME = 48
const MOST_VALUE = 512
const LEAST_SECRET = 16
const LEAST_PASSWORD = 6
const MOST_PASSWORD = 128
/** Bits for each character: English words in a row have fewer different letters. */
const LEAST_ENTROPY = 3

const PASSWORD_WORDS = new Set(['password', 'passwd', 'pwd', 'passphrase', 'passwort', 'kennwort'])
const SECRET_WORDS = new Set(['secret', 'token', 'apikey', 'credential', 'credentials'])
/** What makes a key one that is kept: there are public, primary and cache keys as well. */
const KEY_KINDS = new Set(
  'api access account admin auth client deploy encryption master private secret service shared signing'.split(
    ' ',
  ),
)
/** Behind the word that counts may stand which one it is. */
const ENDINGS = new Set('base64 b64 dev live prod production staging test value'.split(' '))
/** Values that stand for others, or say where the value is kept. */
const STANDS_FOR =
  /^(?:vault|arn|op|sm|projects):|example|placeholder|changeme|change_me|your[-_ ]|<|>|\$\{|\{\{|\*\*\*|xxxx|\.\.\.|…/i

/** Values that are called passwords, secrets, tokens or keys, and look like it. */
export const findAssignedSecrets: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]
    const isSpoken = sign === ' ' && text.startsWith(' is ', at)
    if (sign !== '=' && sign !== ':' && !isSpoken) continue
    const name = nameBefore(scan, at)
    if (name === null || (isSpoken && name !== 'password')) continue
    const value = valueAfter(scan, isSpoken ? at + 3 : at)
    if (value === null) continue
    const kind = kindOf(name, value)
    if (kind !== null) found.push({ kind, start: value.start, end: value.end })
    at = Math.max(at, value.start - 1)
  }
  return found
}

type Name = 'password' | 'secret'

/** What the name in front of a sign says of the value behind it. */
function nameBefore(scan: Scan, at: number): Name | null {
  const { text } = scan
  let end = at
  for (let skipped = 0; skipped < 4 && /[\s"'`\\\]]/.test(text[end - 1] ?? 'a'); skipped++) end--
  const start = scan.runStart(end, BASE64URL | DOT, MOST_NAME)
  if (end - start < 3) return null
  const words = text
    .slice(start, end)
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[-_.]+/)
    .filter((word) => word !== '')
  while (words.length > 1 && (ENDINGS.has(words.at(-1) ?? '') || /^\d+$/.test(words.at(-1) ?? '')))
    words.pop()
  const [before, last = ''] = words.length > 1 ? words.slice(-2) : ['', words[0]]
  if (PASSWORD_WORDS.has(last) || (last === 'pass' && before !== '')) return 'password'
  if (SECRET_WORDS.has(last) || (last === 'key' && KEY_KINDS.has(before ?? ''))) return 'secret'
  return null
}

interface Value {
  start: number
  end: number
  text: string
  isQuoted: boolean
}

function valueAfter(scan: Scan, at: number): Value | null {
  const { text } = scan
  let start = at + 1
  for (let skipped = 0; skipped < 3 && /[=>:]/.test(text[start] ?? ''); skipped++) start++
  for (let skipped = 0; skipped < 8 && /[ \t]/.test(text[start] ?? ''); skipped++) start++
  if (text[start] === '\\' && /["'`]/.test(text[start + 1] ?? '')) start++
  const quote = /["'`]/.test(text[start] ?? '') ? text[start] : undefined
  if (quote !== undefined) start++
  const most = Math.min(text.length, start + MOST_VALUE)
  let end = start
  const isOver = (character: string) =>
    quote === undefined
      ? /[\s"'`,;\\)<>]/.test(character)
      : character === quote || character === '\n'
  while (end < most && !isOver(text[end] as string)) end++
  scan.count(end - at)
  if (text[end - 1] === '\\') end--
  if (quote === undefined) while (end > start && /[.:?]/.test(text[end - 1] as string)) end--
  if (end <= start) return null
  return { start, end, text: text.slice(start, end), isQuoted: quote !== undefined }
}

function kindOf(name: Name, value: Value): Finding['kind'] | null {
  const { text, isQuoted } = value
  if (STANDS_FOR.test(text) || isCode(text, isQuoted)) return null
  const [letters, digits] = [/[A-Za-z]/.test(text), /\d/.test(text)]
  if (name === 'password') {
    const hasSign = /[!#%&*+=?@^~|-]/.test(text)
    const isLong = text.length >= LEAST_PASSWORD && text.length <= MOST_PASSWORD
    const isOne = !/\s/.test(text) || isQuoted
    return isLong && isOne && (digits || (hasSign && !/\s/.test(text))) && (letters || isQuoted)
      ? 'password'
      : null
  }
  const isPlain = /^[\w+/=.~!@#%^&*:-]+$/.test(text)
  return isPlain &&
    text.length >= LEAST_SECRET &&
    letters &&
    digits &&
    entropy(text) >= LEAST_ENTROPY
    ? 'assigned-secret'
    : null
}

/** Whether a program computes the value, instead of having it in its text; or it is an account's address. */
function isCode(text: string, isQuoted: boolean): boolean {
  if (/^[${[(%]/.test(text) || /^0x[0-9a-fA-F]{40}$/.test(text)) return true
  if (/^(?:u?int|float|bytes|char|varchar)\d/i.test(text)) return true
  if (isQuoted) return false
  return text.includes('(') || /^[A-Za-z_]\w*(?:\??\.[A-Za-z_]\w*)+$/.test(text)
}

/** Shannon's, in bits for each character. */
export function entropy(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length)
  return bits
}

const MOST_AUTHORITY = 256

/** Passwords inside addresses, such as `postgres://user:password@host`. */
export const findAddressPasswords: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  for (const at of scan.places('://')) {
    const from = at + 3
    const most = Math.min(text.length, from + MOST_AUTHORITY)
    let end = from
    while (end < most && !/[\s/"'`<>@]/.test(text[end] as string)) end++
    scan.count(end - from)
    const colon = from + text.slice(from, end).indexOf(':')
    if (text[end] !== '@' || colon < from || !scan.is(end + 1, ALNUM)) continue
    const password = text.slice(colon + 1, end)
    const isNamed = /^(?:pass(?:word|wd)?|pwd|secret|x+)$/i.test(password)
    if (password.length < 3 || isNamed || STANDS_FOR.test(password)) continue
    if (/^[$%{[]/.test(password) || !(scan.is(colon + 1, LETTER | DIGIT) || password.length > 5))
      continue
    found.push({ kind: 'password', start: colon + 1, end })
  }
  return found
}
