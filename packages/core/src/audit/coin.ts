import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

/**
 * Whether an answer is audited: HMAC-SHA256(secret, last running hash), its first 53 bits read as
 * a fraction, is below `rate`. Drawn at every ending; the lender cannot foresee it, the borrower
 * cannot draw again.
 */
export function drawCoin(secret: Uint8Array, runningHash: Uint8Array, rate: number): boolean {
  const view = new DataView(hmac(sha256, secret, runningHash).buffer)
  const top = view.getUint32(0) * 2 ** 21 + (view.getUint32(4) >>> 11)
  return top / 2 ** 53 < rate
}
