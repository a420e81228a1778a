import { sha256 } from '@noble/hashes/sha2.js'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import type { Finder, Finding } from './finding.ts'
import { LETTER, type Scan } from './scan.ts'

const NUMBER_OF = new Map(wordlist.map((word, index) => [word, index]))
/** Words of a phrase, the longest first. */
const LENGTHS = [24, 21, 18, 15, 12]
const LEAST_WORDS = 12
const BITS = 11
/** Between two words may stand a line break, a comma, a number. */
const MOST_BETWEEN = 8
/** What a hash costs, in characters that are read. */
const HASH_STEPS = 3_000

interface Word {
  number: number
  start: number
  end: number
}

/** Recovery phrases of wallets: English BIP-39 words in a row whose checksum holds. */
export const findRecoveryPhrases: Finder = (scan) => {
  const found: Finding[] = []
  let row: Word[] = []
  const close = () => {
    if (row.length >= LEAST_WORDS) found.push(...phrasesIn(scan, row))
    row = []
  }
  for (const { start, end } of wordsOf(scan)) {
    const number = end - start > 8 ? undefined : NUMBER_OF.get(lowerCase(scan.text, start, end))
    const last = row.at(-1)
    if (number === undefined || (last !== undefined && start - last.end > MOST_BETWEEN)) close()
    if (number !== undefined) row.push({ number, start, end })
  }
  close()
  return found
}

function* wordsOf(scan: Scan): Generator<{ start: number; end: number }> {
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    if (!scan.is(at, LETTER)) continue
    // The letter of an escape such as \n is none of the word.
    const start = text[at - 1] === '\\' ? at + 1 : at
    const end = scan.runEnd(start, LETTER)
    if (end > start) yield { start, end }
    at = end
  }
}

function lowerCase(text: string, start: number, end: number): string {
  return text.slice(start, end).toLowerCase()
}

function phrasesIn(scan: Scan, row: readonly Word[]): Finding[] {
  const found: Finding[] = []
  for (let at = 0; at + LEAST_WORDS <= row.length; ) {
    const length = LENGTHS.find((words) => {
      if (at + words > row.length) return false
      scan.count(HASH_STEPS)
      return holds(row.slice(at, at + words))
    })
    if (length === undefined) {
      at++
      continue
    }
    const [first, last] = [row[at] as Word, row[at + length - 1] as Word]
    found.push({ kind: 'recovery-phrase', start: first.start, end: last.end })
    at += length
  }
  return found
}

/** Whether the last bits of the last word are the first of the hash of all others. */
function holds(words: readonly Word[]): boolean {
  const checkBits = (words.length * BITS) / 33
  let all = 0n
  for (const { number } of words) all = (all << BigInt(BITS)) | BigInt(number)
  const entropy = new Uint8Array((words.length * BITS - checkBits) / 8)
  let rest = all >> BigInt(checkBits)
  for (let i = entropy.length - 1; i >= 0; i--, rest >>= 8n) entropy[i] = Number(rest & 0xffn)
  const expected = (sha256(entropy)[0] as number) >> (8 - checkBits)
  return Number(all & ((1n << BigInt(checkBits)) - 1n)) === expected
}
