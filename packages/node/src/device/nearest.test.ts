import { toHex } from '@freehold/core/bytes'
import { UNLIMITED } from '@freehold/core/clearing/budget'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { explainScore } from '@freehold/core/routing/explain-offer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { befriend, createTown, question, type Town, termsOn, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const alone = () => ({ engine: toyEngine(), chain: undefined })

/** A phrase whose device is listed before another. */
async function phraseBefore(device: string): Promise<string> {
  for (;;) {
    const phrase = createPhrase(systemRandom)
    if (toHex((await deriveIdentity(phrase, 0)).device) < device) return phrase
  }
}

describe('who is asked', () => {
  it('default: a device of one’s own before a stranger, at the same price', async () => {
    const { device, phrase } = await town.inhabitant(alone())
    const own = await town.lender({
      payment: null,
      device: { ...alone(), phrase, deviceIndex: 1 },
    })
    const ownKey = toHex(own.device.identity!.device)
    const stranger = await town.lender({
      payment: null,
      device: { ...alone(), phrase: await phraseBefore(ownKey) },
    })
    for (const { lending } of [stranger, own]) {
      await device.peers.ask(lending.addresses()[0] ?? '')
    }
    const ask = question({ messages: [{ role: 'user', content: 'Hello' }], maxTokens: 5 })
    const near = await device.complete(ask)
    expect(near.record?.lender).toBe(ownKey)
    // With the nearer one away the farther one is asked.
    await own[Symbol.asyncDispose]()
    const far = await device.complete({ ...ask, lender: toHex(stranger.device.identity!.device) })
    expect(far.record?.lender).toBe(toHex(stranger.device.identity!.device))
    await device.borrowing.idle()
  })
})

describe('which stranger is asked', () => {
  it('default: the cheaper one, the choice says why, and what it did is remembered', async () => {
    const { device } = await town.inhabitant({ engine: toyEngine() })
    const prices = { prompt: 200_000, cached: 20_000, output: 1_000_000 }
    const cheap = { ...prices, output: 500_000 }
    const lenders = await Promise.all(
      [prices, cheap].map((each) =>
        town.lender({
          payment: termsOn(town.chain.settings, { prices: each }),
          device: { engine: toyEngine() },
        }),
      ),
    )
    const [dearKey, cheapKey] = lenders.map((one) => toHex(one.device.identity!.device))
    for (const { lending } of lenders) await befriend(device, lending)
    const about = { scope: 'market', promptTokens: 10, maxTokens: 8 } as const
    const rank = () => device.lenders.rank({ ...about, ceilings: UNLIMITED })
    expect((await rank()).ranked.map(({ offer }) => [offer.id, offer.speed])).toEqual([
      [cheapKey, null],
      [dearKey, null],
    ])

    const completion = await device.complete(question({ maxTokens: 8 }))
    expect(completion.record?.lender).toBe(cheapKey)
    await completion.settled
    const [left] = await device.egress.entries()
    expect(left?.why).toBe(completion.route.why)
    const name = peerName(lenders[1]!.device.identity!.device)
    expect(left?.why).toMatch(
      new RegExp(`^you asked for a peer; ${name} of 2 .*: it scores .*cheaper`),
    )

    const { ranked } = await rank()
    const asked = ranked.find(({ offer }) => offer.id === cheapKey)!
    expect(asked.offer).toMatchObject({
      samples: expect.closeTo(1, 3),
      whole: expect.closeTo(1, 3),
    })
    expect(explainScore(asked, 'balanced').join(' ')).toMatch(
      /ms to the first token.*over 1 answers/,
    )

    // Whoever failed an audit is barred, whatever it asks.
    await device.tables.standing.update(
      cheapKey!,
      (old) => old && { ...old, refusedBecause: 'lies' },
    )
    const after = await rank()
    expect(after.ranked.map(({ offer }) => offer.id)).toEqual([dearKey])
    expect(after.barred).toMatchObject([{ id: cheapKey, barred: 'it failed audits: lies' }])
    const next = await device.complete(question({ maxTokens: 8 }))
    expect(next.record?.lender).toBe(dearKey)
    await device.borrowing.idle()
  })

  it('behaviour: whom the owner’s highest price leaves out is not asked, and nothing leaves', async () => {
    const ceilings = { perRequest: null, perDay: null, perMillion: 999_999n }
    const { device } = await town.inhabitant({ engine: toyEngine(), ceilings })
    const lender = await town.lender({ device: { engine: toyEngine() } })
    await befriend(device, lender.lending)
    await expect(device.complete(question())).rejects.toMatchObject({
      name: 'CeilingError',
      message: expect.stringMatching(
        /asks 1000000 token units for a million.*you let them cost 999999/,
      ),
    })
    expect(await device.egress.entries()).toEqual([])
  })
})
