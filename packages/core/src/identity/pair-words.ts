import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { utf8 } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import type { Random } from '../platform.ts'
import { taggedHash } from '../wire/hash.ts'
import type { PairedAs } from '../wire/pair-messages.ts'

/**
 * The short authentication string of a pairing, by the construction of Vaudenay (Secure
 * Communications over Insecure Channels Based on Short Authenticated Strings, CRYPTO 2005) that ZRTP
 * (RFC 6189 §4.4.1) and Matrix (m.sas.v1) use too: one side commits to its nonce before it sees the
 * other's, so nobody between the two can look for nonces that make both strings alike. What is
 * authenticated are the device keys that the connections' handshakes proved.
 */

/** Who talks to whom: keys as the connection proved them, raw Ed25519. */
export interface PairParties {
  /** Device that shows the code. */
  host: Uint8Array
  guest: Uint8Array
  as: PairedAs
}

/** So many words of 11 bits: whoever is in between guesses them once in 2^33. */
const WORDS = 3
/** Crockford's base 32: no I, L, O and U, so that it can be read out. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE_LETTERS = 8

/** A code of 40 bits for people to type: `K7QM-2XPD`. */
export function createPairCode(random: Random): string {
  const letters = [...random(CODE_LETTERS)].map((byte) => LETTERS[byte % 32])
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`
}

/** A typed code as it was shown. @throws IdentityError when it is none */
export function readPairCode(text: string): string {
  const letters = text
    .toUpperCase()
    .replace(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  if (
    letters.length !== CODE_LETTERS ||
    Array.from(letters).some((one) => !LETTERS.includes(one))
  ) {
    throw new IdentityError({
      what: 'this is no pairing code',
      next: 'It is eight letters and digits, such as K7QM-2XPD; freehold pair shows one',
    })
  }
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}

/** What the host binds itself to before it sees the guest's nonce. */
export function pairCommit(parties: PairParties, hostNonce: Uint8Array): Uint8Array {
  return taggedHash('pair-commit', ...parts(parties), hostNonce)
}

/** Shows the host that the guest knows the code, to this host and in this conversation only. */
export function pairProof(
  code: string,
  parties: PairParties,
  commit: Uint8Array,
  guestNonce: Uint8Array,
): Uint8Array {
  return hmac(sha256, utf8(code), taggedHash('pair-proof', ...parts(parties), commit, guestNonce))
}

/** What both people compare. */
export function pairWords(
  parties: PairParties,
  hostNonce: Uint8Array,
  guestNonce: Uint8Array,
): string[] {
  const hash = taggedHash('pair-words', ...parts(parties), hostNonce, guestNonce)
  const bits = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0)
  return Array.from({ length: WORDS }, (_, i) => {
    const index = Number((bits >> BigInt(64 - 11 * (i + 1))) & 0x7ffn)
    return wordlist[index] as string
  })
}

function parts({ host, guest, as }: PairParties): Uint8Array[] {
  return [host, guest, utf8(as)]
}
