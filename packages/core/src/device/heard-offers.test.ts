import { beforeAll, describe, expect, it } from 'vitest'
import { deriveIdentity, type Identity } from '../identity/identity.ts'
import { peerName } from '../identity/peer-name.ts'
import { createPhrase } from '../identity/phrase.ts'
import { type Clock, systemRandom } from '../platform.ts'
import { encodeOffer, type Offer } from '../wire/offer.ts'
import { createHeardOffers } from './heard-offers.ts'
import { makeOffer } from './offers.ts'

const NOW_MS = 1_800_000_000_000
const NEIGHBOUR = '12D3KooWneighbour'

let lender: Identity
let other: Identity
beforeAll(async () => {
  lender = await deriveIdentity(createPhrase(systemRandom), 0)
  other = await deriveIdentity(createPhrase(systemRandom), 0)
})

function offerOf(identity: Identity, nowMs = NOW_MS): Promise<Offer> {
  return makeOffer(identity, {
    models: [],
    payment: null,
    addresses: ['/ip4/192.0.2.1/tcp/1'],
    nowMs,
    lifeMs: 300_000,
  })
}

function createEar() {
  const time = { nowMs: NOW_MS }
  const clock: Clock = { now: () => time.nowMs, after: () => () => {} }
  const learnt: Offer[] = []
  const judge = createHeardOffers({ clock, log: () => {} }, async (offer) => {
    const isNews = learnt.every(({ issuedAtMs }) => issuedAtMs < offer.issuedAtMs)
    if (isNews) learnt.push(offer)
    return isNews
  })
  return {
    time,
    learnt,
    hear: (offer: Offer, from = lender.device, bringer = NEIGHBOUR) =>
      judge(encodeOffer(offer), from, bringer),
    judge,
  }
}

describe('offers that others tell', () => {
  it('default: one that holds is kept and passed on, and the same again lies', async () => {
    const { hear, learnt } = createEar()
    const offer = await offerOf(lender)
    expect([await hear(offer), await hear(offer)]).toEqual(['accept', 'ignore'])
    expect(learnt).toEqual([offer])
  })

  it('behaviour: what does not hold is blamed on its bringer', async () => {
    const { hear, judge, learnt, time } = createEar()
    const offer = await offerOf(lender)
    const forged = { ...offer, sig: new Uint8Array(64) }
    const changed = { ...offer, addresses: ['/ip4/192.0.2.66/tcp/1'] }
    expect(await judge(Uint8Array.of(1, 2, 3), other.device, NEIGHBOUR)).toBe('reject')
    expect(await hear(offer, other.device)).toBe('reject')
    expect(await hear(forged)).toBe('reject')
    expect(await hear(changed)).toBe('reject')
    expect(await hear(await offerOf(lender, NOW_MS + 3_600_000))).toBe('reject')
    time.nowMs += 300_000 + 59_000
    // It may have been in time when it set out.
    expect(await hear(offer)).toBe('ignore')
    time.nowMs += 61_000
    expect(await hear(offer)).toBe('reject')
    expect(learnt).toEqual([])
  })

  it('behaviour: more than a lender has to say is not looked at, and blamed on itself alone', async () => {
    const { hear, learnt, time } = createEar()
    const offers = await Promise.all([0, 1, 2, 3, 4].map((n) => offerOf(lender, NOW_MS + n)))
    const last = offers.pop()!
    for (const offer of offers) expect(await hear(offer)).toBe('accept')
    expect(await hear(last)).toBe('ignore')
    expect(await hear(last, lender.device, peerName(lender.device))).toBe('reject')
    expect(learnt.length).toBe(4)
    time.nowMs += 60_000
    expect(await hear(last)).toBe('accept')
  })

  it('behaviour: a neighbour that brings more than an honest one could is blamed', async () => {
    const { judge } = createEar()
    const verdicts: string[] = []
    for (let n = 0; n < 300; n++) {
      const from = new Uint8Array(32)
      from.set([n >> 8, n & 255])
      verdicts.push(await judge(encodeOffer(await offerOf(lender)), from, NEIGHBOUR))
    }
    // First each is looked at, then the minute is full for all, then it is too much for one neighbour.
    expect(verdicts[0]).toBe('reject')
    expect(verdicts[150]).toBe('ignore')
    expect(verdicts[299]).toBe('reject')
  })
})
