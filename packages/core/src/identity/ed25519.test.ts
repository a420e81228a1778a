import { ed25519 } from '@noble/curves/ed25519.js'
import { ed25519 as native } from '@noble/curves/webcrypto.js'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { filled } from '../answer.fixture.ts'
import { fromHex, toHex } from '../bytes.ts'
import { ed25519PublicKey, signEd25519, verifyEd25519 } from './ed25519.ts'

/** This module on a platform without Ed25519 in its WebCrypto. */
async function portable() {
  vi.resetModules()
  const none = { isSupported: async () => false }
  vi.doMock('@noble/curves/webcrypto.js', () => ({ ed25519: none }))
  return import('./ed25519.ts')
}
afterEach(() => {
  vi.doUnmock('@noble/curves/webcrypto.js')
  vi.resetModules()
})

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const message = fc.uint8Array({ maxLength: 100 })

describe('ed25519', () => {
  it('default: signs as RFC 8032 says', async () => {
    // RFC 8032, section 7.1, test 2.
    const secret = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
    const expected = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
    expect(toHex(ed25519PublicKey(secret))).toBe(expected)
    expect(toHex(await signEd25519(Uint8Array.of(0x72), secret))).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    )
  })

  it('behaviour: WebCrypto and its portable twin sign and verify the same', async () => {
    expect(await native.isSupported()).toBe(true)
    const twin = await portable()
    await fc.assert(
      fc.asyncProperty(key, message, async (secret, text) => {
        const own = await signEd25519(text, secret)
        expect(await twin.signEd25519(text, secret)).toEqual(own)
        const publicKey = ed25519PublicKey(secret)
        for (const verify of [verifyEd25519, twin.verifyEd25519]) {
          expect(await verify(own, text, publicKey)).toBe(true)
          expect(await verify(own, Uint8Array.of(...text, 0), publicKey)).toBe(false)
        }
      }),
      { numRuns: 15 },
    )
  })

  it('behaviour: what is malformed does not verify, and throws nothing', async () => {
    const twin = await portable()
    const secret = filled(32, 1)
    const publicKey = ed25519PublicKey(secret)
    const sig = await signEd25519(filled(3, 1), secret)
    for (const verify of [verifyEd25519, twin.verifyEd25519]) {
      for (const bad of [sig.subarray(1), filled(64, 0xff), new Uint8Array(0)]) {
        expect(await verify(bad, filled(3, 1), publicKey)).toBe(false)
      }
      for (const bad of [publicKey.subarray(1), filled(32, 0xff)]) {
        expect(await verify(sig, filled(3, 1), bad)).toBe(false)
      }
    }
  })

  it('behaviour: neither takes the other form of a signature', async () => {
    const twin = await portable()
    const secret = filled(32, 1)
    const text = filled(3, 1)
    const sig = await signEd25519(text, secret)
    // S + L means the same to a careless verifier.
    let s = 0n
    for (const byte of sig.slice(32).reverse()) s = (s << 8n) | BigInt(byte)
    const other = sig.slice()
    for (let i = 32, rest = s + ed25519.Point.Fn.ORDER; i < 64; i++, rest >>= 8n) {
      other[i] = Number(rest & 0xffn)
    }
    for (const verify of [verifyEd25519, twin.verifyEd25519]) {
      expect(await verify(sig, text, ed25519PublicKey(secret))).toBe(true)
      expect(await verify(other, text, ed25519PublicKey(secret))).toBe(false)
    }
  })

  it('behaviour: neither takes a key that signs every message', async () => {
    const twin = await portable()
    // The neutral point as the key and as R, and S = 0: the equation holds for any message.
    const publicKey = new Uint8Array(32)
    publicKey[0] = 1
    const sig = new Uint8Array(64)
    sig[0] = 1
    for (const verify of [verifyEd25519, twin.verifyEd25519]) {
      expect(await verify(sig, filled(9, 9), publicKey)).toBe(false)
    }
  })
})
