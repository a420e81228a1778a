/**
 * GBNF of a JSON string whose text matches a regular expression: characters, classes, groups, `|` and
 * quantifiers; `^` and `$` at the ends. Neither looking around nor back.
 */

type Range = readonly [from: number, to: number]

const HIGHEST = 0x10ffff
const DIGITS: Range[] = [[0x30, 0x39]]
const WORDS: Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const SPACES: Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
]
const NEWLINES: Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const CLASSES: Record<string, Range[]> = {
  d: DIGITS,
  D: without(DIGITS),
  w: WORDS,
  W: without(WORDS),
  s: SPACES,
  // Other spaces of Unicode are left out of both.
  S: without([
    ...SPACES,
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ]),
}
const ESCAPES: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 }
/** As many as llama.cpp allows. */
const MOST_REPETITIONS = 2_000

/** Thrown inside at what has no GBNF. */
class Unknown extends Error {}

/** @returns undefined for an expression that is none, or says more than we can */
export function patternRule(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'u')
    return `"\\"" (${createParser(pattern).whole()}) "\\""`
  } catch (error) {
    if (error instanceof Unknown || error instanceof SyntaxError) return undefined
    throw error
  }
}

function createParser(pattern: string) {
  const chars = Array.from(pattern)
  let at = 0
  const peek = () => chars[at] ?? ''
  const eat = (text: string) => {
    if (chars.slice(at, at + text.length).join('') !== text) return false
    at += text.length
    return true
  }

  function whole(): string {
    const ways: string[] = []
    do {
      const before = eat('^') ? '' : 'char*'
      const middle = sequence()
      const after = eat('$') ? '' : 'char*'
      ways.push(`${before} ${middle} ${after}`)
    } while (eat('|'))
    if (at < chars.length) throw new Unknown()
    return ways.join(' | ')
  }

  function choice(): string {
    const ways = [sequence()]
    while (eat('|')) ways.push(sequence())
    return ways.join(' | ')
  }

  function sequence(): string {
    const parts: string[] = []
    while (at < chars.length && !'|)$'.includes(peek())) parts.push(atom() + quantifier())
    return parts.length > 0 ? parts.join(' ') : '""'
  }

  function atom(): string {
    if (eat('(')) {
      if (peek() === '?' && !eat('?:') && !eat('?<')) throw new Unknown()
      // A name, unless it looks behind.
      if (chars[at - 1] === '<') {
        if ('=!'.includes(peek())) throw new Unknown()
        while (!eat('>')) at++
      }
      const inner = choice()
      if (!eat(')')) throw new Unknown()
      return `(${inner})`
    }
    if (eat('[')) return charset(bracket())
    if (eat('.')) return charset(without(NEWLINES))
    if ('^*+?{'.includes(peek())) throw new Unknown()
    if (eat('\\')) return charset(escaped())
    return charset([same(chars[at++] as string)])
  }

  function quantifier(): string {
    let text = ''
    if (peek() !== '' && '*+?'.includes(peek())) text = chars[at++] as string
    else if (eat('{')) {
      const end = chars.indexOf('}', at)
      const [least = 0, most] = chars.slice(at, end).join('').split(',').map(Number)
      const isOpen = chars[end - 1] === ','
      if (Math.max(least, most ?? 0) > MOST_REPETITIONS) throw new Unknown()
      text = most === undefined ? `{${least}}` : `{${least},${isOpen ? '' : most}}`
      at = end + 1
    } else return ''
    // Whether it is greedy makes no difference for what matches.
    eat('?')
    return text
  }

  function bracket(): Range[] {
    const isNot = eat('^')
    const ranges: Range[] = []
    while (!eat(']')) {
      const from = eat('\\') ? escaped(true) : [same(chars[at++] as string)]
      const isRange = peek() === '-' && chars[at + 1] !== ']'
      if (!isRange) {
        ranges.push(...from)
        continue
      }
      at++
      const to = eat('\\') ? escaped(true) : [same(chars[at++] as string)]
      ranges.push([(from[0] as Range)[0], (to[0] as Range)[1]])
    }
    return isNot ? without(ranges) : ranges
  }

  function escaped(isInClass = false): Range[] {
    const char = chars[at++] as string
    const known = CLASSES[char]
    if (known !== undefined) return known
    if (char === 'b' && isInClass) return [[8, 8]]
    const code = ESCAPES[char]
    if (code !== undefined) return [[code, code]]
    if (char === 'x') return [hex(2)]
    if (char === 'u' && peek() !== '{') return [hex(4)]
    if (/[a-zA-Z0-9]/.test(char)) throw new Unknown()
    return [same(char)]
  }

  function hex(count: number): Range {
    const code = Number.parseInt(chars.slice(at, at + count).join(''), 16)
    at += count
    if (code >= 0xd800 && code <= 0xdfff) throw new Unknown()
    return [code, code]
  }

  return { whole }
}

function same(char: string): Range {
  const code = char.codePointAt(0) as number
  return [code, code]
}

/** All characters but these. */
function without(ranges: readonly Range[]): Range[] {
  const left: Range[] = []
  let next = 0
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (from > next) left.push([next, from - 1])
    next = Math.max(next, to + 1)
  }
  if (next <= HIGHEST) left.push([next, HIGHEST])
  return left
}

/** What a JSON string spells with an escape, or not at all. */
const SPELLED: Record<number, string> = { 9: '\\t', 10: '\\n', 13: '\\r', 34: '\\"', 92: '\\\\' }

/** One character of the set, as a JSON string spells it. */
function charset(ranges: readonly Range[]): string {
  const has = (code: number) => ranges.some(([from, to]) => from <= code && code <= to)
  const barred = without([
    [0, 0x1f],
    [0x22, 0x22],
    [0x5c, 0x5c],
    [0x7f, 0x7f],
    [0xd800, 0xdfff],
  ])
  const plain = ranges.flatMap(([from, to]) =>
    barred.flatMap(([low, high]): Range[] =>
      Math.max(from, low) <= Math.min(to, high) ? [[Math.max(from, low), Math.min(to, high)]] : [],
    ),
  )
  const ways: string[] = []
  if (plain.length > 0) {
    ways.push(`[${plain.map(([from, to]) => `${spell(from)}-${spell(to)}`).join('')}]`)
  }
  for (const [code, text] of Object.entries(SPELLED)) {
    if (has(Number(code))) ways.push(`"${text.replace(/["\\]/g, '\\$&')}"`)
  }
  if (ways.length === 0) throw new Unknown()
  return `(${ways.join(' | ')})`
}

/** A character of a GBNF class. */
function spell(code: number): string {
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\U${code.toString(16).padStart(8, '0')}`
}
