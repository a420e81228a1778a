import { argon2 } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { utf8 } from '@freehold/core/bytes'
import { IdentityError } from '@freehold/core/errors'
import { type Argon2id, openVault, sealVault, type Vault } from '@freehold/core/identity/vault'
import { systemRandom } from '@freehold/core/platform'

/** Argon2id of OpenSSL, on its own thread. */
export const nativeArgon2id: Argon2id = async (message, nonce, cost) =>
  new Uint8Array(
    await promisify(argon2)('argon2id', {
      message,
      nonce,
      memory: cost.memoryKiB,
      passes: cost.passes,
      parallelism: cost.parallelism,
      tagLength: 32,
    }),
  )

/** Encrypts an owner phrase into a new file. @throws IdentityError when there is one already */
export async function writeVaultFile(
  path: string,
  phrase: string,
  passphrase: string,
): Promise<void> {
  if (await hasVaultFile(path)) {
    throw new IdentityError({ what: `there is a vault already`, why: path })
  }
  const components = { argon2id: nativeArgon2id, random: systemRandom }
  const vault = await sealVault(utf8(phrase), passphrase, components)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // A crash or a full disk leaves either no vault or a whole one.
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(vault)}\n`, { mode: 0o600, flush: true })
  await rename(draft, path)
}

/** @returns the owner phrase @throws IdentityError when there is no vault or it does not open */
export async function readVaultFile(path: string, passphrase: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new IdentityError({
      what: 'this device has no keys yet',
      next: 'Make them with: freehold wallet init',
      cause,
    })
  }
  let vault: Vault
  try {
    vault = JSON.parse(text) as Vault
  } catch (cause) {
    throw new IdentityError({ what: 'the vault is damaged', why: path, cause })
  }
  const secret = await openVault(vault, passphrase, { argon2id: nativeArgon2id })
  return new TextDecoder().decode(secret)
}

export async function hasVaultFile(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  )
}
