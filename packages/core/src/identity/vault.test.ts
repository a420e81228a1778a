import { argon2id as nobleArgon2id } from '@noble/hashes/argon2.js'
import { describe, expect, it } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { fromHex, toHex, utf8 } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import { systemRandom } from '../platform.ts'
import { type Argon2id, type KdfParameters, openVault, sealVault, type Vault } from './vault.ts'

const CHEAP: KdfParameters = { memoryKiB: 8, passes: 1, parallelism: 1 }
let calls = 0
const argon2id: Argon2id = async (passphrase, salt, { memoryKiB, passes, parallelism }) => {
  calls++
  return nobleArgon2id(passphrase, salt, { m: memoryKiB, t: passes, p: parallelism, dkLen: 32 })
}
const components = { argon2id, random: systemRandom }
const SECRET = utf8('a phrase of many words')
const vault = await sealVault(SECRET, 'café', components, CHEAP)

describe('vault', () => {
  it('default: opens with its passphrase', async () => {
    expect(await openVault(vault, 'café', components)).toEqual(SECRET)
  })

  it('behaviour: is worth nothing without the passphrase', async () => {
    for (const passphrase of ['', 'cafe', 'Café', 'café ']) {
      await expect(openVault(vault, passphrase, components)).rejects.toThrow(IdentityError)
    }
  })

  it('behaviour: does not care how an accent was typed', async () => {
    expect(await openVault(vault, 'cafe\u0301', components)).toEqual(SECRET)
  })

  it('behaviour: holds nothing readable, and never twice the same', async () => {
    const other = await sealVault(SECRET, 'café', components, CHEAP)
    for (const part of ['salt', 'nonce', 'box'] as const) expect(other[part]).not.toBe(vault[part])
    expect(JSON.stringify(vault)).not.toContain(toHex(SECRET))
  })

  it('behaviour: seals an empty secret and a long one', async () => {
    for (const secret of [filled(0, 0), filled(10_000, 7)]) {
      const sealed = await sealVault(secret, 'x', components, CHEAP)
      expect(await openVault(sealed, 'x', components)).toEqual(secret)
    }
  })

  it('behaviour: no changed byte opens', async () => {
    for (const part of ['salt', 'nonce', 'box'] as const) {
      const bytes = fromHex(vault[part])
      for (let at = 0; at < bytes.length; at++) {
        const changed = bytes.slice()
        changed[at]! ^= 1 << (at % 8)
        const other = { ...vault, [part]: toHex(changed) }
        await expect(openVault(other, 'café', components)).rejects.toThrow(IdentityError)
      }
    }
  })

  it('behaviour: no changed cost opens', async () => {
    const costs = [{ memoryKiB: 16 }, { passes: 2 }, { memoryKiB: 16, parallelism: 2 }]
    for (const cost of costs) {
      const other = { ...vault, kdf: { ...CHEAP, ...cost } }
      await expect(openVault(other, 'café', components)).rejects.toThrow(/does not open/)
    }
  })

  it('behaviour: refuses damaged files and mad costs before any work', async () => {
    const cost = (change: object) => ({ ...vault, kdf: { ...CHEAP, ...change } })
    const bad: object[] = [
      { ...vault, version: 2 },
      { ...vault, kdf: undefined },
      { ...vault, kdf: { memoryKiB: 8, passes: 1 } },
      cost({ memoryKiB: 2 ** 31 }),
      cost({ memoryKiB: 0 }),
      cost({ memoryKiB: 7 }),
      cost({ memoryKiB: 8.5 }),
      cost({ memoryKiB: '8' }),
      cost({ passes: 17 }),
      cost({ passes: -1 }),
      cost({ memoryKiB: 1_024, parallelism: 17 }),
      cost({ parallelism: Number.NaN }),
      { ...vault, salt: '' },
      { ...vault, salt: vault.salt.slice(2) },
      { ...vault, salt: vault.salt.replace(/^../, 'zz') },
      { ...vault, salt: vault.salt.replace(/^../, 'AA') },
      { ...vault, nonce: `${vault.nonce}00` },
      { ...vault, nonce: 5 },
      { ...vault, box: vault.box.slice(1) },
      { ...vault, box: null },
      {},
    ]
    const before = calls
    for (const other of bad) {
      await expect(openVault(other as Vault, 'café', components)).rejects.toThrow(IdentityError)
    }
    expect(calls).toBe(before)
  })
})
