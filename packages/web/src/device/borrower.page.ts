/** A page for tests of how a lender is reached: what it answers is nobody's concern, so a toy checks it. */
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import type { BorrowerPage } from './borrower-page.fixture.ts'
import { openDevice } from './open-device.ts'

const testPage: BorrowerPage = {
  borrow: async (address) => {
    await using device = await openDevice({
      database: 'device',
      phrase: createPhrase(systemRandom),
      models: { acorn: '/acorn.gguf' },
      engine: { load: async () => createToyModel(), [Symbol.asyncDispose]: async () => {} },
      deadlines: { connectMs: 10_000, silenceMs: 10_000 },
    })
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
