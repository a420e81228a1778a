import type { Finding } from './detect/finding.ts'
import type { Scan } from './detect/scan.ts'

/** An owner's own words, with `*` for anything within one line. Upper and lower case are the same. */
export interface TextPattern {
  /** The parts between the stars, folded. */
  parts: readonly string[]
  /** What it is made of, as the owner wrote it. */
  source: string
}

export const MOST_PATTERN = 256

/** Reads a pattern. @returns what is wrong with it, in half a sentence, when it makes no sense */
export function readPattern(source: string): TextPattern | string {
  if (source.length > MOST_PATTERN) return `is longer than ${MOST_PATTERN} characters`
  if (source.includes('\n')) return 'has more than one line'
  const parts = fold(source)
    .split('*')
    .filter((part) => part !== '')
  if (parts.join('').trim() === '') return 'would match everything'
  return { parts, source }
}

/** Whether a whole name is what a pattern says; there `*` may also stand for nothing. */
export function isNamed(name: string, { parts, source }: TextPattern): boolean {
  const folded = fold(name)
  let at = 0
  for (const [i, part] of parts.entries()) {
    const isLast = i === parts.length - 1 && !source.endsWith('*')
    const found = isLast ? folded.length - part.length : folded.indexOf(part, at)
    if (found < at || !folded.startsWith(part, found)) return false
    if (i === 0 && !source.startsWith('*') && found !== 0) return false
    at = found + part.length
  }
  return source.endsWith('*') || at === folded.length
}

/**
 * Every place where a pattern matches, from left to right. No character is looked at more often than the
 * pattern is long, so that no text and no pattern can make it slow.
 */
export function findPattern(scan: Scan, { parts }: TextPattern): Finding[] {
  const found: Finding[] = []
  const text = fold(scan.text)
  scan.count(text.length)
  for (let at = 0; at < text.length; ) {
    const first = text.indexOf(parts[0] as string, at)
    if (first < 0) break
    const line = text.indexOf('\n', first)
    const lineEnd = line < 0 ? text.length : line
    const end = endWithin(text.slice(first, lineEnd), parts)
    scan.count(lineEnd - first + 1)
    if (end !== null) found.push({ kind: 'text', start: first, end: first + end })
    // Where the other parts are missing in the rest of a line, they are missing behind a later first one.
    at = end === null ? lineEnd : first + end
  }
  return found
}

function endWithin(line: string, parts: readonly string[]): number | null {
  let at = 0
  for (const part of parts) {
    const found = line.indexOf(part, at)
    if (found < 0) return null
    at = found + part.length
  }
  return at
}

/** Lower case, letter by letter: places stay where they are. */
function fold(text: string): string {
  const lower = text.toLowerCase()
  if (lower.length === text.length) return lower
  return Array.from({ length: text.length }, (_, i) => {
    const one = (text[i] as string).toLowerCase()
    return one.length === 1 ? one : (text[i] as string)
  }).join('')
}
