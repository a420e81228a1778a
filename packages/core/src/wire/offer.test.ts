import { decode, encode } from 'cborg'
import { describe, expect, it } from 'vitest'
import {
  filled,
  makeTestAnswer,
  TEST_TIME_MS as NOW,
  TEST_PAYMENT,
  TEST_PHRASE,
} from '../answer.fixture.ts'
import { toHex } from '../bytes.ts'
import { checkOffer, makeOffer } from '../device/offers.ts'
import { WireError } from '../errors.ts'
import { deriveIdentity } from '../identity/identity.ts'
import {
  MAX_OFFER_ADDRESSES,
  MAX_OFFER_BYTES,
  MAX_OFFER_MODELS,
  MAX_OFFER_MS,
  MAX_PRICE,
  MAX_VOCABULARY,
} from './limits.ts'
import { decodeOffer, encodeOffer, type Offer, offerHash } from './offer.ts'

const { offer, lender } = await makeTestAnswer()

/** The test offer with one part replaced, past the encoder's own checks. */
function tampered(path: readonly number[], value: unknown): Uint8Array {
  const raw = decode(encodeOffer(offer)) as unknown[]
  const last = path.slice(0, -1).reduce((row, i) => row[i] as unknown[], raw)
  last[path.at(-1) as number] = value
  return encode(raw)
}

async function offerFor(lifeMs: number): Promise<Offer> {
  const { models, addresses } = offer
  return makeOffer(lender, { models, payment: null, addresses, nowMs: NOW, lifeMs })
}

describe('offer', () => {
  it('default: is read as it was written', () => {
    expect(decodeOffer(encodeOffer(offer))).toEqual(offer)
    expect(encodeOffer(offer).length).toBeLessThan(MAX_OFFER_BYTES)
  })

  const model = (decode(encodeOffer(offer)) as unknown[][])[1]?.[0]
  const limits: Record<string, [path: number[], value: (over: number) => unknown]> = {
    models: [[1], (over) => new Array(MAX_OFFER_MODELS + over).fill(model)],
    addresses: [[3], (over) => new Array(MAX_OFFER_ADDRESSES + over).fill('x')],
    'the length of an address': [[3], (over) => ['x'.repeat(256 + over)]],
    'the length of a name': [[1, 0, 3], (over) => 'x'.repeat(96 + over)],
    'the vocabulary': [[1, 0, 5], (over) => MAX_VOCABULARY + over],
    'the price of a prompt': [[2, 6, 0], (over) => MAX_PRICE + over],
    'the price of an answer': [[2, 6, 2], (over) => MAX_PRICE + over],
    'the fee of relaying': [[2, 11], (over) => MAX_PRICE + over],
    'the window': [[2, 7], (over) => 4_096 + over],
    'the exit delay': [[2, 5], (over) => 30 * 24 * 3_600 + over],
    'the hold-back': [[2, 9], (over) => 7 * 24 * 3_600_000 + over],
    'the device index': [[0, 2], (over) => 0xffff + over],
  }
  for (const [name, [path, value]] of Object.entries(limits)) {
    it(`behaviour: limits ${name}`, () => {
      expect(decodeOffer(tampered(path, value(0))).addresses.length).toBeGreaterThan(0)
      expect(() => decodeOffer(tampered(path, value(1)))).toThrow(WireError)
    })
  }

  it('behaviour: refuses an offer that is too large', () => {
    expect(() => decodeOffer(new Uint8Array(MAX_OFFER_BYTES + 1))).toThrow(/too large/)
  })

  it('behaviour: the signature covers each part, and itself no part of the hash', () => {
    const own = toHex(offerHash(offer))
    expect(toHex(offerHash({ ...offer, sig: filled(64, 1) } as Offer))).toBe(own)
    const others: Offer[] = [
      { ...offer, payment: null },
      { ...offer, models: [] },
      { ...offer, addresses: [] },
      { ...offer, expiresAtMs: offer.expiresAtMs + 1 },
    ]
    for (const other of others) expect(toHex(offerHash(other))).not.toBe(own)
  })

  it('behaviour: lives for ten minutes at most', async () => {
    const longest = await offerFor(MAX_OFFER_MS)
    await checkOffer(longest, lender.device, NOW)
    expect((await offerFor(MAX_OFFER_MS + 1)).expiresAtMs).toBe(NOW + MAX_OFFER_MS)
    const body = { ...longest, expiresAtMs: longest.expiresAtMs + 1 }
    const longer = { ...body, sig: await lender.sign(offerHash(body)) }
    await expect(checkOffer(longer, lender.device, NOW)).rejects.toThrow(/too long/)
  })

  it('behaviour: counts only while it is in force', async () => {
    const short = await offerFor(1_000)
    await checkOffer(short, lender.device, NOW + 999)
    await expect(checkOffer(short, lender.device, NOW + 1_000)).rejects.toThrow(/out of date/)
    await checkOffer(short, lender.device, NOW - 60_000)
    await expect(checkOffer(short, lender.device, NOW - 60_001)).rejects.toThrow(/future/)
  })

  it('behaviour: nobody offers with another’s certificate, key or account', async () => {
    const other = await deriveIdentity(TEST_PHRASE, 2)
    await expect(checkOffer(offer, other.device, NOW)).rejects.toThrow(/another device/)
    const stolen = { ...offer, certificate: lender.certificate }
    const body = { ...stolen, certificate: { ...lender.certificate, device: other.device } }
    const forged = { ...body, sig: await other.sign(offerHash(body)) }
    await expect(checkOffer(forged, other.device, NOW)).rejects.toThrow(/certificate/)
    const payment = { ...TEST_PAYMENT, ...paidTo(offer) }
    const theirs = { ...offer, certificate: other.certificate, payment }
    const claimed = { ...theirs, sig: await other.sign(offerHash(theirs)) }
    await expect(checkOffer(claimed, other.device, NOW)).rejects.toThrow(/payee/)
  })
})

function paidTo({ payment }: Offer) {
  if (payment === null) throw new Error('the test offer asks for payment')
  return { payee: payment.payee, payeeSig: payment.payeeSig }
}
