import { toHex } from '@freehold/core/bytes'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTown, question, type Town, toyEngine } from './town.fixture.ts'

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
