import type { Finder, Finding, Kind } from './finding.ts'
import {
  ALNUM,
  BASE64URL,
  DASH,
  DIGIT,
  LETTER,
  PLUS_SLASH,
  type Scan,
  UNDERSCORE,
  UPPER,
} from './scan.ts'

/** A key that says by its first characters what it is. */
interface KeyShape {
  kind: Kind
  prefixes: readonly string[]
  /** What follows the prefix. */
  alphabet: number
  least: number
  most?: number
  /** What may not stand right before the prefix. @default `alphabet` */
  edge?: number
  /** Names of other things begin alike: among them stands no long part with letters and digits. */
  isDense?: boolean
  /** The prefix is no part of the key. */
  isIntroduced?: boolean
}

const SHAPES: readonly KeyShape[] = [
  {
    kind: 'aws-key',
    prefixes: ['AKIA', 'ASIA', 'ABIA', 'ACCA'],
    alphabet: UPPER | DIGIT,
    least: 16,
    most: 16,
  },
  {
    kind: 'github-token',
    prefixes: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'],
    alphabet: ALNUM,
    least: 36,
    most: 255,
  },
  { kind: 'github-token', prefixes: ['github_pat_'], alphabet: ALNUM | UNDERSCORE, least: 40 },
  {
    kind: 'gitlab-token',
    prefixes: ['glpat-', 'gldt-', 'glrt-', 'glcbt-', 'glptt-', 'glft-', 'glsoat-', 'glagent-'],
    alphabet: BASE64URL,
    least: 20,
  },
  {
    kind: 'slack-token',
    prefixes: ['xoxb-', 'xoxp-', 'xoxa-', 'xoxr-', 'xoxs-', 'xoxe-', 'xoxc-', 'xoxd-', 'xapp-'],
    alphabet: ALNUM | DASH,
    least: 20,
    isDense: true,
  },
  {
    kind: 'slack-token',
    prefixes: ['hooks.slack.com/services/'],
    alphabet: ALNUM | PLUS_SLASH,
    edge: ALNUM,
    least: 30,
  },
  {
    kind: 'stripe-key',
    prefixes: ['sk_live_', 'sk_test_', 'rk_live_', 'rk_test_', 'whsec_'],
    alphabet: ALNUM,
    least: 16,
  },
  { kind: 'ai-key', prefixes: ['sk-'], alphabet: BASE64URL, least: 20, isDense: true },
  {
    kind: 'ai-key',
    prefixes: ['hf_', 'gsk_', 'xai-', 'pplx-', 'r8_'],
    alphabet: ALNUM,
    least: 30,
  },
  { kind: 'google-key', prefixes: ['AIza'], alphabet: BASE64URL, least: 35, most: 40 },
  { kind: 'google-key', prefixes: ['GOCSPX-'], alphabet: BASE64URL, least: 24 },
  { kind: 'google-key', prefixes: ['ya29.'], alphabet: BASE64URL, least: 20 },
  { kind: 'service-token', prefixes: ['npm_'], alphabet: ALNUM, least: 36 },
  { kind: 'service-token', prefixes: ['pypi-AgE'], alphabet: BASE64URL, least: 40 },
  { kind: 'service-token', prefixes: ['dop_v1_', 'doo_v1_'], alphabet: ALNUM, least: 64, most: 64 },
  { kind: 'service-token', prefixes: ['shpat_', 'shpss_', 'shpca_'], alphabet: ALNUM, least: 32 },
  { kind: 'service-token', prefixes: ['SG.'], alphabet: BASE64URL, least: 22, isDense: true },
  {
    kind: 'service-token',
    prefixes: ['Bearer ', 'bearer '],
    alphabet: BASE64URL,
    least: 20,
    isDense: true,
    isIntroduced: true,
  },
  { kind: 'private-key', prefixes: ['AGE-SECRET-KEY-1'], alphabet: UPPER | DIGIT, least: 58 },
  {
    kind: 'private-key',
    prefixes: ['xprv', 'yprv', 'zprv', 'tprv'],
    alphabet: ALNUM,
    least: 100,
    most: 112,
  },
]

/** Shapes by the first character of their prefix. */
const BY_FIRST: (readonly [prefix: string, shape: KeyShape])[][] = []
for (const shape of SHAPES) {
  for (const prefix of shape.prefixes) {
    const code = prefix.charCodeAt(0)
    BY_FIRST[code] = [...(BY_FIRST[code] ?? []), [prefix, shape]]
  }
}

/** Keys and tokens of services that mark theirs. */
export const findPrefixedKeys: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    const shapes = BY_FIRST[text.charCodeAt(at)]
    if (shapes === undefined) continue
    for (const [prefix, shape] of shapes) {
      scan.count(1)
      if (!text.startsWith(prefix, at)) continue
      const end = keyEnd(scan, at, prefix, shape)
      if (end === null) continue
      found.push({ kind: shape.kind, start: shape.isIntroduced ? at + prefix.length : at, end })
      at = end - 1
      break
    }
  }
  return found
}

function keyEnd(scan: Scan, at: number, prefix: string, shape: KeyShape): number | null {
  const { alphabet, edge = alphabet, least, most = Infinity, isDense = false } = shape
  // A run is read once only: nothing begins in its middle.
  if (!scan.isStart(at, edge)) return null
  const from = at + prefix.length
  const end = scan.runEnd(from, alphabet)
  const length = end - from
  if (length < least || length > most) return null
  return !isDense || isDensePart(scan, from, end) ? end : null
}

/** Whether 16 letters and digits stand together, some of each. */
function isDensePart(scan: Scan, from: number, end: number): boolean {
  for (let at = from; at < end; at++) {
    const partEnd = Math.min(end, scan.runEnd(at, ALNUM))
    if (partEnd - at >= 16) {
      let [letters, digits] = [0, 0]
      for (let i = at; i < partEnd; i++) {
        if (scan.is(i, LETTER)) letters++
        if (scan.is(i, DIGIT)) digits++
      }
      if (letters > 0 && digits > 0) return true
    }
    at = partEnd
  }
  return false
}
