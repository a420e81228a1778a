import type { Finder, Finding } from './finding.ts'
import { ALNUM, DIGIT, type Scan } from './scan.ts'

interface Group {
  start: number
  end: number
  digits: string
  /** What stands between the group before and this one. */
  between: string
}

/** Digits in groups with one or two signs between them that people write in phone numbers. */
interface Run {
  groups: readonly Group[]
  /** The signs right before and right after it. */
  before: string
  after: string
}

const BETWEEN = /[ .\-/()\u00a0]/
const MOST_GROUPS = 24
const LEAST_DIGITS = 9
const MOST_DIGITS = 15
/** Countries whose numbers have eleven digits with the code of the country. */
const ELEVEN = ['1', '7']
const CONTEXT = 24
const SAYS_PHONE =
  /(?:phone|fax|mobile|mobil|handy|cell|whatsapp|telefon|rufnummer|t[ée]l(?:[ée]phone)?|m[óo]vil|(?:call|reach|ring) (?:me|us)(?: at| on)?|☎|📞)[\s:.=+"'(#n°o]*$/iu

/** How national numbers are grouped; whoever writes a 0 first does not count. */
const NATIONAL = new Set([
  ...['5-6', '5-3-3', '3-4-4', '4-3-4', '4-3-3', '2-4-4', '4-6', '3-3-4', '2-2-2-2-2'],
  ...[
    '3-7',
    '3-8',
    '4-7',
    '4-8',
    '5-5',
    '3-4-3',
    '4-4-3',
    '3-3-3',
    '3-2-2-2',
    '3-3-2-2',
    '4-2-2-2',
  ],
])

/** Phone numbers: international ones, common national forms, and what is called one. */
export const findPhoneNumbers: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    if (!scan.is(at, DIGIT)) continue
    const run = runAt(scan, at)
    found.push(...numbersIn(scan, run))
    at = (run.groups.at(-1)?.end ?? at) - 1
  }
  return found
}

function runAt(scan: Scan, from: number): Run {
  const { text } = scan
  const groups: Group[] = []
  let at = from
  let between = ''
  while (groups.length < MOST_GROUPS) {
    const end = scan.runEnd(at, DIGIT)
    groups.push({ start: at, end, digits: text.slice(at, Math.min(end, at + 20)), between })
    at = end
    while (at < end + 3 && BETWEEN.test(text[at] ?? 'a')) at++
    if (at === end || !scan.is(at, DIGIT)) break
    between = text.slice(end, at)
  }
  scan.count(3 * groups.length)
  const last = groups.at(-1)?.end ?? from
  return {
    groups,
    before: text.slice(Math.max(0, from - 2), from),
    after: text.slice(last, last + 2),
  }
}

function numbersIn(scan: Scan, { groups, before, after }: Run): Finding[] {
  const found: Finding[] = []
  const isLoose = !/[\w#$€£_.]$/.test(before) && !/^(?:[A-Za-z_%€$]|\.\d)/.test(after)
  for (let i = 0; i < groups.length; ) {
    const plus = plusBefore(scan, (groups[i] as Group).start)
    const count =
      international(groups, i, { hasPlus: plus !== null, mayDial: isLoose && i === 0 }) ||
      (isLoose ? northAmerican(scan, groups, i) || national(scan, groups, i) : 0) ||
      (isLoose && i === 0 ? named(scan, groups) : 0)
    if (count === 0) {
      i++
      continue
    }
    const [first, last] = [groups[i] as Group, groups[i + count - 1] as Group]
    const opening = scan.text[first.start - 1] === '(' ? first.start - 1 : first.start
    found.push({ kind: 'phone', start: plus ?? opening, end: last.end })
    i += count
  }
  return found
}

/** Where the + of a number stands; null: there is none. */
function plusBefore(scan: Scan, start: number): number | null {
  const { text } = scan
  const at = text[start - 1] === '(' ? start - 2 : start - 1
  const isFree = !scan.is(at - 1, ALNUM) || text[at - 2] === '\\' || text[at - 3] === '%'
  return text[at] === '+' && isFree ? at : null
}

/** How many groups from `at` on are a number with the code of its country. */
function international(
  groups: readonly Group[],
  at: number,
  { hasPlus, mayDial }: { hasPlus: boolean; mayDial: boolean },
): number {
  const first = (groups[at] as Group).digits
  const isDialled = !hasPlus && mayDial && /^00[1-9]/.test(first)
  if (!hasPlus && !isDialled) return 0
  if (hasPlus && !/^[1-9]/.test(first)) return 0
  const code = isDialled ? first.slice(2) : first
  const most = ELEVEN.includes(code[0] ?? '') ? 11 : MOST_DIGITS
  let digits = code.length
  let count = 1
  for (const { digits: more, between } of groups.slice(at + 1)) {
    if (digits + more.length > most || /^(?: {2,}|\. )/.test(between)) break
    digits += more.length
    count++
  }
  const isRound = count === 1 && /0{6}$/.test(code)
  if (digits < LEAST_DIGITS || digits > most || isRound) return 0
  return isDialled && count === 1 ? 0 : count
}

/** (415) 555-2671, 415-555-2671, 1.415.555.2671: area and exchange begin with 2 to 9. */
function northAmerican(scan: Scan, groups: readonly Group[], at: number): number {
  const hasOne = groups[at]?.digits === '1'
  const from = hasOne ? at + 1 : at
  const [area, exchange, line] = groups.slice(from, from + 3)
  if (area === undefined || exchange === undefined || line === undefined) return 0
  if (!/^[2-9]\d\d$/.test(area.digits) || !/^[2-9]\d\d$/.test(exchange.digits)) return 0
  if (line.digits.length !== 4 || isGoneOn(groups, from + 3)) return 0
  const isBracketed = scan.text[area.start - 1] === '(' && /^\)[ \u00a0-]?$/.test(exchange.between)
  const isSame = exchange.between === line.between && /^[-.]$/.test(line.between)
  if (!(isBracketed && /^[-. ]$/.test(line.between)) && !isSame) return 0
  return hasOne ? 4 : 3
}

/** Whether another group follows in the way of the number itself, as in versions and lists. */
function isGoneOn(groups: readonly Group[], at: number): boolean {
  return /^[-./]$/.test(groups[at]?.between ?? '')
}

/** 0171 1234567, (030) 123456, 01 23 45 67 89: a 0, the area, the number. */
function national(scan: Scan, groups: readonly Group[], at: number): number {
  const area = groups[at] as Group
  if (!/^0[1-9]\d{0,4}$/.test(area.digits)) return 0
  const isBracketed = scan.text[area.start - 1] === '(' && /^\)/.test(groups[at + 1]?.between ?? '')
  for (let count = Math.min(5, groups.length - at); count > 1; count--) {
    const all = groups.slice(at, at + count)
    const signs = new Set(all.slice(isBracketed ? 2 : 1).map(({ between }) => between))
    const digits = all.reduce((sum, group) => sum + group.digits.length, 0)
    // Between area and number may stand another sign than in the number.
    const isEven = signs.size <= 1 || (signs.size === 2 && all[1]?.between === '/')
    if (!isEven || ![...signs].every((sign) => /^(?:[ \u00a0./-]| ?[-/] ?)$/.test(sign))) continue
    if (isGoneOn(groups, at + count)) continue
    const shape = all.map((group) => group.digits.length).join('-')
    if (isBracketed ? digits >= LEAST_DIGITS && digits <= 12 : NATIONAL.has(shape)) return count
  }
  return 0
}

/** What is called a phone number right before. */
function named(scan: Scan, groups: readonly Group[]): number {
  const first = groups[0] as Group
  const { text } = scan
  scan.count(CONTEXT)
  if (!SAYS_PHONE.test(text.slice(Math.max(0, first.start - CONTEXT), first.start))) return 0
  let digits = 0
  let count = 0
  for (const group of groups.slice(0, 6)) {
    if (digits + group.digits.length > MOST_DIGITS) break
    digits += group.digits.length
    count++
  }
  const shape = groups
    .slice(0, count)
    .map((group) => group.digits.length)
    .join('-')
  const isDate = /^(?:4-[12]-[12]|[12]-[12]-4)/.test(shape)
  return digits >= 7 && !isDate ? count : 0
}
