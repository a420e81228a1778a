import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { WireError } from '../errors.ts'
import { decodeInvitation, encodeInvitation, type Invitation } from './invitation.ts'

const plain = (max: number) =>
  fc.string({ maxLength: max, unit: fc.constantFrom(...Array.from('abcxyz0123456789/.:-ÄÖ✓')) })
const invitations: fc.Arbitrary<Invitation> = fc.record({
  device: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  addresses: fc.array(plain(64), { minLength: 1, maxLength: 4 }),
  name: fc.option(plain(64)),
  expiresAtMs: fc.option(fc.maxSafeNat()),
})
const LINK = encodeInvitation({
  device: new Uint8Array(32).fill(7),
  addresses: ['/ip4/192.0.2.1/tcp/4215'],
  name: null,
  expiresAtMs: null,
})

describe('invitations', () => {
  it('default: what was encoded is decoded, and no link means the same as another', () => {
    fc.assert(
      fc.property(invitations, (invitation) => {
        const link = encodeInvitation(invitation)
        expect(decodeInvitation(link)).toEqual(invitation)
        expect(encodeInvitation(decodeInvitation(`${link}\n`))).toBe(link)
      }),
    )
  })

  it('behaviour: any other text is refused with a sentence, whatever it is', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...Array.from(LINK.slice(9))),
      maxLength: 200,
    })
    const others = fc.oneof(
      fc.string(),
      letters.map((text) => `freehold:${text}`),
      fc.nat(LINK.length - 10).map((at) => LINK.slice(0, 9 + at)),
      fc.nat(20_000).map((count) => LINK + 'A'.repeat(count + 1)),
    )
    fc.assert(
      fc.property(others, (text) => {
        fc.pre(text.trim() !== LINK)
        try {
          const decoded = decodeInvitation(text)
          // Whoever hits upon one has one.
          expect(encodeInvitation(decoded)).toBe(text.trim())
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('behaviour: too much, nothing to dial, or what steers a terminal is refused', () => {
    const base = decodeInvitation(LINK)
    const wrong: [Partial<Invitation>, RegExp][] = [
      [{ addresses: [] }, /names no address/],
      [{ name: '\u001b[2J' }, /control characters/],
      [{ addresses: Array.from({ length: 9 }, () => '/a') }, /9 entries/],
      [{ addresses: Array.from({ length: 8 }, () => '/a'.repeat(100)) }, /too large/],
    ]
    for (const [change, why] of wrong) {
      expect(() => decodeInvitation(encodeInvitation({ ...base, ...change }))).toThrow(why)
    }
    expect(() => decodeInvitation('https://example.org/')).toThrow(
      /this is no invitation: it is no such link. It begins with freehold:/,
    )
  })
})
