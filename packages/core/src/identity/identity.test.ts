import { HDKey } from '@scure/bip32'
import { describe, expect, it } from 'vitest'
import { filled, TEST_PHRASE } from '../answer.fixture.ts'
import { toHex } from '../bytes.ts'
import { IdentityError } from '../errors.ts'
import { certificateHash } from '../wire/certificate.ts'
import { verifyEd25519 } from './ed25519.ts'
import { deriveIdentity, type Identity } from './identity.ts'
import { isCertified } from './is-certified.ts'
import { phraseSeed } from './phrase.ts'

/** The phrase of Foundry's and Hardhat's development accounts. */
const JUNK = 'test test test test test test test test test test test junk'

/** Everything of an identity that must be its own. */
function secretsOf(identity: Identity): string[] {
  const salts = [0, 1, 2].map((n) => identity.channelSalt(n))
  return [
    toHex(identity.device),
    toHex(identity.deviceSecretKey),
    identity.wallet.address,
    identity.voucherSigner.address,
    toHex(identity.coinSecret),
    ...salts,
  ]
}

const first = await deriveIdentity(TEST_PHRASE, 0)
const second = await deriveIdentity(TEST_PHRASE, 1)

describe('deriveIdentity', () => {
  it('default: the wallet is the account that other wallets show', async () => {
    const { wallet } = await deriveIdentity(JUNK, 0)
    expect(wallet.address).toBe('0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266')
    const next = await deriveIdentity(JUNK, 1)
    expect(next.wallet.address).toBe('0x70997970C51812dc3A010C7d01b50e0d17dc79C8')
  })

  it('behaviour: the same phrase and index give the same keys', async () => {
    const again = await deriveIdentity(TEST_PHRASE, 0)
    expect(secretsOf(again)).toEqual(secretsOf(first))
    expect(again.certificate).toEqual(first.certificate)
  })

  it('behaviour: two devices of one owner share the owner and nothing else', () => {
    expect(first.owner).toEqual(second.owner)
    const all = [...secretsOf(first), ...secretsOf(second)]
    expect(new Set(all).size).toBe(all.length)
  })

  it('behaviour: no two secrets of one device are the same key', () => {
    const root = HDKey.fromMasterSeed(phraseSeed(TEST_PHRASE))
    const paths = ["m/44'/60'/0'/0/0", "m/1215'/2'/0'", "m/1215'/3'/0'", "m/1215'/4'/0'"]
    const keys = paths.map((path) => toHex(root.derive(path).privateKey ?? new Uint8Array()))
    keys.push(toHex(first.deviceSecretKey))
    expect(new Set(keys).size).toBe(keys.length)
    expect(toHex(first.coinSecret)).toBe(keys[3])
  })

  it('behaviour: refuses an index that is none', async () => {
    for (const index of [-1, 1.5, 65_536, Number.NaN]) {
      await expect(deriveIdentity(TEST_PHRASE, index)).rejects.toThrow(IdentityError)
    }
    expect((await deriveIdentity(TEST_PHRASE, 65_535)).certificate.index).toBe(65_535)
  })

  it('behaviour: signs as the device, not as the owner', async () => {
    const hash = filled(32, 1)
    const sig = await first.sign(hash)
    expect(await verifyEd25519(sig, hash, first.device)).toBe(true)
    expect(await verifyEd25519(sig, hash, first.owner)).toBe(false)
    expect(await verifyEd25519(sig, filled(32, 2), first.device)).toBe(false)
  })
})

describe('isCertified', () => {
  it('default: the owner certified both devices', async () => {
    expect(await isCertified(first.certificate)).toBe(true)
    expect(await isCertified(second.certificate)).toBe(true)
  })

  it('behaviour: no changed byte of a certificate passes', async () => {
    const { certificate } = first
    for (const part of ['owner', 'device', 'sig'] as const) {
      for (let at = 0; at < certificate[part].length; at++) {
        const bytes = certificate[part].slice()
        bytes[at]! ^= 1 << (at % 8)
        expect(await isCertified({ ...certificate, [part]: bytes })).toBe(false)
      }
    }
    expect(await isCertified({ ...certificate, index: 1 })).toBe(false)
    expect(await isCertified({ ...certificate, device: second.device })).toBe(false)
  })

  it('behaviour: a device cannot certify itself for another owner', async () => {
    const statement = { owner: second.owner, device: second.device, index: 1 }
    const sig = await second.sign(certificateHash(statement))
    expect(await isCertified({ ...statement, sig })).toBe(false)
  })
})
