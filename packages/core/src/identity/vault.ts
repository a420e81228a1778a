import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { concat, fromHex, toHex, utf8 } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import type { Random } from '../platform.ts'

/** Argon2id cost; stored with each vault, so that it can be raised later. */
export interface KdfParameters {
  memoryKiB: number
  passes: number
  parallelism: number
}

/** RFC 9106's second recommended option, for desktops. */
export const DESKTOP_KDF: KdfParameters = { memoryKiB: 64 * 1024, passes: 3, parallelism: 4 }

/** Argon2id (RFC 9106), 32 bytes out; the platform hands in its fastest. */
export type Argon2id = (
  passphrase: Uint8Array,
  salt: Uint8Array,
  cost: KdfParameters,
) => Promise<Uint8Array>

/** A secret at rest: XChaCha20-Poly1305 under an Argon2id key. Byte strings in hex. */
export interface Vault {
  version: 1
  kdf: KdfParameters
  salt: string
  nonce: string
  box: string
}

const SALT_BYTES = 16
const NONCE_BYTES = 24
const MAX_KDF: KdfParameters = { memoryKiB: 2 * 1024 * 1024, passes: 16, parallelism: 16 }

/** Whether a file can be a vault at all, and its cost is one that a device would choose. */
function isSane({ version, kdf, salt, nonce, box }: Vault): boolean {
  const isCost = (name: keyof KdfParameters) =>
    Number.isInteger(kdf?.[name]) && kdf[name] > 0 && kdf[name] <= MAX_KDF[name]
  return (
    version === 1 &&
    (Object.keys(MAX_KDF) as (keyof KdfParameters)[]).every(isCost) &&
    // Argon2 cannot do with less (RFC 9106, section 3.1).
    kdf.memoryKiB >= 8 * kdf.parallelism &&
    [salt, nonce, box].every((hex) => typeof hex === 'string' && /^([0-9a-f]{2})*$/.test(hex)) &&
    salt.length === 2 * SALT_BYTES &&
    nonce.length === 2 * NONCE_BYTES
  )
}

function context(kdf: KdfParameters): Uint8Array {
  return utf8(`freehold/vault/1|${kdf.memoryKiB}|${kdf.passes}|${kdf.parallelism}`)
}

/** Encrypts `secret` under a passphrase. */
export async function sealVault(
  secret: Uint8Array,
  passphrase: string,
  components: { argon2id: Argon2id; random: Random },
  kdf: KdfParameters = DESKTOP_KDF,
): Promise<Vault> {
  const salt = components.random(SALT_BYTES)
  const nonce = components.random(NONCE_BYTES)
  const key = await components.argon2id(utf8(passphrase.normalize('NFKC')), salt, kdf)
  const box = xchacha20poly1305(key, nonce, context(kdf)).encrypt(secret)
  return { version: 1, kdf, salt: toHex(salt), nonce: toHex(nonce), box: toHex(box) }
}

/** Decrypts a vault. @throws IdentityError when the passphrase is wrong or the vault is damaged */
export async function openVault(
  vault: Vault,
  passphrase: string,
  components: { argon2id: Argon2id },
): Promise<Uint8Array> {
  if (!vault || !isSane(vault)) {
    throw new IdentityError({ what: 'the vault is damaged', why: 'unknown parameters' })
  }
  const { kdf } = vault
  const salt = fromHex(vault.salt)
  const key = await components.argon2id(utf8(passphrase.normalize('NFKC')), salt, kdf)
  try {
    const cipher = xchacha20poly1305(key, fromHex(vault.nonce), context(kdf))
    return concat(cipher.decrypt(fromHex(vault.box)))
  } catch (cause) {
    throw new IdentityError({
      what: 'the vault does not open',
      why: 'the passphrase is wrong or the file is damaged',
      next: 'Type it again; if it is lost, the owner phrase makes a new vault',
      cause,
    })
  }
}
