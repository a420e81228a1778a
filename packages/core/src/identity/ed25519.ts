import { ed25519 as portable } from '@noble/curves/ed25519.js'
import { ed25519 as native } from '@noble/curves/webcrypto.js'

/** Whether WebCrypto has Ed25519 here (many times faster than the portable twin). */
let supported: Promise<boolean> | undefined
const isNative = (): Promise<boolean> => {
  supported ??= native.isSupported()
  return supported
}

/** Public key of a 32-byte secret key. */
export function ed25519PublicKey(secretKey: Uint8Array): Uint8Array {
  return portable.getPublicKey(secretKey)
}

/** RFC 8032 signature. @returns 64 bytes */
export async function signEd25519(message: Uint8Array, secretKey: Uint8Array): Promise<Uint8Array> {
  if (await isNative()) return native.sign(message, secretKey, { formatSec: 'raw' })
  return portable.sign(message, secretKey)
}

/** Whether `sig` is `publicKey`'s over `message`; false, never an error, for malformed input. */
export async function verifyEd25519(
  sig: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): Promise<boolean> {
  try {
    if (await isNative()) return await native.verify(sig, message, publicKey, { formatPub: 'raw' })
    // RFC 8032 strictly, as WebCrypto does: no key or signature may hold on one device only.
    return portable.verify(sig, message, publicKey, { zip215: false })
  } catch {
    return false
  }
}
