import { sha256 } from '@noble/hashes/sha2.js'
import { concat, u32le, utf8 } from '../bytes.ts'

/** Every hash and signature of the protocol starts with one of these, so none can stand for another. */
export type HashTag =
  | 'answer'
  | 'certificate'
  | 'debtor'
  | 'egress'
  | 'lp'
  | 'manifest'
  | 'nonce'
  | 'offer'
  | 'open'
  | 'pair-commit'
  | 'pair-proof'
  | 'pair-words'
  | 'payee'
  | 'prompt'
  | 'receipt'
  | 'request'
  | 'run'
  | 'sampler'
  | 'seed'
  | 'signed'
  | 'template'

/** SHA-256 over `freehold/1/<tag>` and `parts`, each preceded by its length as u32le. @returns 32 bytes */
export function taggedHash(tag: HashTag, ...parts: readonly Uint8Array[]): Uint8Array {
  const framed = [utf8(`freehold/1/${tag}`), ...parts].flatMap((part) => [u32le(part.length), part])
  return sha256(concat(...framed))
}
