import { utf8 } from '@freehold/core/bytes'
import { IdentityError } from '@freehold/core/errors'
import type { Argon2id, Vault } from '@freehold/core/identity/vault'
import { systemRandom } from '@freehold/core/platform'
import type { Storage } from '@freehold/core/storage'
import { type ReadonlySignal, signal } from '@preact/signals'

const ROW = 'owner'

/** What a device's keys are derived from. */
export interface OwnerKeys {
  phrase: string
  /** Which device of this owner; no other may have the same. */
  deviceIndex: number
}

interface KeyRow {
  vault: Vault
  deviceIndex: number
}

/** The owner's phrase: encrypted on disk, in memory only while it is unlocked. */
export interface KeyRing {
  readonly state: ReadonlySignal<'none' | 'locked' | 'open'>
  /** null: there are none, or they are locked. */
  keys(): OwnerKeys | null
  /** Encrypts the phrase; it is locked then. @throws IdentityError when it is no valid phrase */
  keep(keys: OwnerKeys, passphrase: string): Promise<void>
  /** @throws IdentityError when the passphrase is wrong or the vault is damaged */
  unlock(passphrase: string): Promise<void>
  lock(): void
  /** Removes the phrase from this device for good. */
  forget(): Promise<void>
}

export async function openKeyRing(storage: Storage): Promise<KeyRing> {
  const table = storage.table<KeyRow>('keys')
  let kept = await table.get(ROW)
  let open: OwnerKeys | null = null
  const state = signal<'none' | 'locked' | 'open'>(kept === undefined ? 'none' : 'locked')
  const show = (keys: OwnerKeys | null) => {
    open = keys
    state.value = open !== null ? 'open' : kept === undefined ? 'none' : 'locked'
  }
  return {
    state,
    keys: () => open,
    keep: async ({ phrase, deviceIndex }, passphrase) => {
      const [{ sealVault }, { deriveIdentity }] = await Promise.all([
        import('@freehold/core/identity/vault'),
        import('@freehold/core/identity/identity'),
      ])
      // Whatever gives no keys is not kept.
      await deriveIdentity(phrase, deviceIndex)
      const components = { argon2id, random: systemRandom }
      const row = { vault: await sealVault(utf8(phrase), passphrase, components), deviceIndex }
      await table.update(ROW, (old) => {
        // Another tab may have kept a phrase that nobody wrote down twice.
        if (old === undefined) return row
        throw new IdentityError({
          what: 'there are keys on this device already',
          next: 'Load the page again',
        })
      })
      kept = row
      show(null)
    },
    unlock: async (passphrase) => {
      if (kept === undefined) return
      const { vault, deviceIndex } = kept
      const { openVault } = await import('@freehold/core/identity/vault')
      const secret = await openVault(vault, passphrase, { argon2id })
      show({ phrase: new TextDecoder().decode(secret), deviceIndex })
    },
    lock: () => show(null),
    forget: async () => {
      await table.update(ROW, () => undefined)
      kept = undefined
      show(null)
    },
  }
}

/** Gives the page a turn now and then: it takes seconds on a phone. */
const argon2id: Argon2id = async (passphrase, salt, { memoryKiB, passes, parallelism }) => {
  const { argon2idAsync } = await import('@noble/hashes/argon2.js')
  const cost = { m: memoryKiB, t: passes, p: parallelism, dkLen: 32, asyncTick: 50 }
  return argon2idAsync(passphrase, salt, cost)
}
