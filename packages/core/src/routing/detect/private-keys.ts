import type { Finder, Finding } from './finding.ts'
import { ALNUM, BASE64, BASE64URL, type Scan } from './scan.ts'

const BEGIN = '-----BEGIN '
const PUTTY = 'Private-Lines: '
const LABEL = /^[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/
/** Between the first line and the key itself may stand how it is encrypted. */
const HEADERS = 400
/** The shortest line of a key: of 16 bytes. */
const LEAST_LINE = 20
/** The longest key: of RSA with 16,384 bits, with room. */
const MOST_KEY = 32_768

/** Private keys in PEM, of OpenSSH, PGP and PuTTY; whoever only speaks of such a line has none. */
export const findPemKeys: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  let covered = 0
  for (const start of scan.places(BEGIN)) {
    if (start < covered) continue
    scan.count(64)
    const label = LABEL.exec(text.slice(start + BEGIN.length, start + BEGIN.length + 64))
    if (label === null) continue
    const from = start + BEGIN.length + label[0].length
    if (!hasLine(scan, from)) continue
    covered = keyEnd(scan, from)
    found.push({ kind: 'private-key', start, end: covered })
  }
  covered = 0
  for (const start of scan.places(PUTTY)) {
    const from = start + PUTTY.length
    if (start < covered || !hasLine(scan, from)) continue
    covered = bodyEnd(scan, from)
    found.push({ kind: 'private-key', start: from, end: covered })
  }
  return found
}

/** Whether base64 in the length of a line follows, right away or behind headers such as `Proc-Type: 4,ENCRYPTED`. */
function hasLine(scan: Scan, from: number): boolean {
  const { text } = scan
  const most = Math.min(text.length, from + HEADERS)
  let at = from
  while (at < most) {
    while (at < most && /[\s"'`\\]/.test(text[at] ?? 'a'))
      at += /\\[nrt]/.test(text.slice(at, at + 2)) ? 2 : 1
    if (scan.runEnd(at, BASE64, LEAST_LINE) - at >= LEAST_LINE) return true
    const line = text.slice(at, most).split(/\n|\\n/, 1)[0] as string
    scan.count(most - at)
    if (!/^[A-Za-z0-9-]{1,40}: /.test(line)) return false
    at += line.length
  }
  return false
}

/** Behind the key's own last line; where that is missing, behind what may belong to the key. */
function keyEnd(scan: Scan, from: number): number {
  const body = scan.text.slice(from, from + MOST_KEY)
  const next = body.indexOf(BEGIN)
  const own = next < 0 ? body : body.slice(0, next)
  scan.count(own.length)
  const last = own.indexOf('-----END ')
  if (last < 0) return bodyEnd(scan, from)
  const dashes = own.indexOf('-----', last + 9)
  return from + (dashes < 0 ? own.length : dashes + 5)
}

/** Where lines of base64 end. */
function bodyEnd(scan: Scan, from: number): number {
  const most = Math.min(scan.text.length, from + MOST_KEY)
  let at = from
  while (at < most && (scan.is(at, BASE64URL | BASE64) || /[\s=:,.\\]/.test(scan.text[at] ?? '')))
    at++
  scan.count(at - from)
  return at
}

/** The order of the curve: a private key is below it. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const KEY_DIGITS = 64
/** So far before a number stands what it is. */
const CONTEXT = 64
const SAYS_PRIVATE = /priv|secret|seed|mnemonic|signer|deployer|wallet/
const SAYS_KEY = /key["'`\s]*(?:[:=]|is)?["'`\s:=>]*$/
const SAYS_PUBLIC = /pub(?:lic)?[-_ ]?key/

/**
 * Private keys of Ethereum: 32 bytes in hex. So are hashes of all kinds, and far more of them: only what is
 * said right before tells one from the other.
 */
export const findEthereumKeys: Finder = (scan) => {
  const found: Finding[] = []
  const { text } = scan
  scan.count(text.length)
  for (let at = 0; at < text.length; at++) {
    if (!scan.is(at, ALNUM) || !scan.isStart(at, ALNUM)) continue
    const end = scan.runEnd(at, ALNUM)
    const from = end - KEY_DIGITS
    const isLong = from === at || (from === at + 2 && text.startsWith('0x', at))
    if (isLong && isPrivateKey(scan, from, end) && isCalledKey(scan, at)) {
      found.push({ kind: 'ethereum-key', start: at, end })
    }
    at = Math.max(at, end - 1)
  }
  return found
}

function isPrivateKey({ text }: Scan, from: number, end: number): boolean {
  const hex = text.slice(from, end)
  if (!/^[0-9a-fA-F]+$/.test(hex)) return false
  const key = BigInt(`0x${hex}`)
  return key > 0n && key < ORDER
}

function isCalledKey({ text }: Scan, start: number): boolean {
  const before = text.slice(Math.max(0, start - CONTEXT), start).toLowerCase()
  // Only what is said on the same line, after the number before it.
  const said = before.slice(Math.max(before.lastIndexOf('\n'), before.lastIndexOf('0x')) + 1)
  return SAYS_PRIVATE.test(said) || (SAYS_KEY.test(said) && !SAYS_PUBLIC.test(said))
}

const LEAST_SEGMENT = 10
const LEAST_SIGNATURE = 16

/** JSON web tokens: three parts of base64url, of which two are JSON objects. */
export const findJsonWebTokens: Finder = (scan) => {
  const found: Finding[] = []
  for (const start of scan.places('eyJ')) {
    if (!scan.isStart(start, BASE64URL)) continue
    const header = scan.runEnd(start, BASE64URL)
    if (header - start < LEAST_SEGMENT || !scan.text.startsWith('.eyJ', header)) continue
    const payload = scan.runEnd(header + 1, BASE64URL)
    if (payload - header < LEAST_SEGMENT || scan.text[payload] !== '.') continue
    const end = scan.runEnd(payload + 1, BASE64URL)
    if (end - payload > LEAST_SIGNATURE) found.push({ kind: 'jwt', start, end })
  }
  return found
}
