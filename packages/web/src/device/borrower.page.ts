/** A page for tests of how a lender is reached: what it answers is nobody's concern, so a toy checks it. */
import { toHex } from '@freehold/core/bytes'
import type { Device } from '@freehold/core/device/device'
import { readPairLink } from '@freehold/core/device/pair-link'
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { BorrowerPage } from './borrower-page.fixture.ts'
import { type OpenDeviceInit, openDevice } from './open-device.ts'

const open = (changes: Partial<OpenDeviceInit> = {}) =>
  openDevice({
    database: 'device',
    phrase: createPhrase(systemRandom),
    models: { acorn: '/acorn.gguf' },
    engine: { load: async () => createToyModel(), [Symbol.asyncDispose]: async () => {} },
    deadlines: { connectMs: 10_000, silenceMs: 10_000 },
    ...changes,
  })

/** It was opened with a phrase. */
const keyOf = ({ identity }: Device) => toHex(identity?.device ?? new Uint8Array())

const testPage: BorrowerPage = {
  pair: async (link) => {
    await using device = await open({ database: 'guest' })
    let words: string[] = []
    const paired = await device.pairing.join({
      ...readPairLink(link),
      name: 'host',
      confirm: async (question) => {
        words = question.words
        return true
      },
    })
    return { device: keyOf(device), words, isMutual: paired.isMutual }
  },
  lend: async (relay) => {
    // It stays open as long as the page.
    const device = await open({ database: 'lender', relays: [relay] })
    const lending = await device.lending.start({
      ...{ models: ['acorn'], payment: null, contextTokens: 512 },
    })
    for (;;) {
      const address = lending.addresses().find((one) => one.includes('/p2p-circuit'))
      if (address !== undefined) return { device: keyOf(device), address }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  },
  borrow: async (address) => {
    await using device = await open()
    await device.peers.ask(address)
    const { error, record } = await device.complete({
      model: 'acorn',
      messages: [{ role: 'user', content: 'Hello' }],
      scope: 'market',
      via: 'peer',
      temperature: 1,
      maxTokens: 32,
    })
    await device.borrowing.idle()
    return { tokens: record?.tokens ?? 0, end: record?.end ?? null, error: error && String(error) }
  },
}
Object.assign(globalThis, { testPage })
