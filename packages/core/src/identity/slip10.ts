import { hmac } from '@noble/hashes/hmac.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { concat, utf8 } from '../bytes.ts'

const HARDENED = 0x8000_0000

/**
 * Ed25519 secret key at a path of hardened indices, by SLIP-0010 (the only kind that Ed25519 has).
 * @returns 32 bytes
 */
export function deriveEd25519(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = hmac(sha512, utf8('ed25519 seed'), seed)
  for (const index of path) {
    const suffix = new Uint8Array(4)
    new DataView(suffix.buffer).setUint32(0, index + HARDENED)
    const data = concat(new Uint8Array(1), node.subarray(0, 32), suffix)
    node = hmac(sha512, node.subarray(32), data)
  }
  return node.slice(0, 32)
}
