import type { Model } from '../../packages/core/src/engine/engine.ts'
import { createFedSequence } from '../../packages/core/src/engine/fed-sequence.ts'
import { createSlots } from '../../packages/core/src/engine/slots.ts'
import type { EnginePage } from '../../packages/web/src/engine/engine-page.fixture.ts'
import { callerOf } from '../../packages/web/src/testing/call-page.fixture.ts'
import { openTestPage } from '../../packages/web/src/testing/test-page.fixture.ts'

/**
 * The model at `path` in WebAssembly in headless Chromium, as if it were here. One sequence at a
 * time. Logits of many positions come id by id there: count what you ask for.
 */
export async function loadInPage(path: string): Promise<Model> {
  const test = await openTestPage({
    entry: new URL('../../packages/web/src/engine/open-engine.page.ts', import.meta.url),
    files: { '/model.gguf': path },
  })

  const call = callerOf<EnginePage>(test.page)
  try {
    const info = await call('load', '/model.gguf')
    const slots = createSlots(1)
    return {
      info,
      tokenize: (text, { special = false } = {}) => call('tokenize', text, special),
      detokenize: (ids) => call('detokenize', ids),
      openSequence: async ({ signal } = {}) => {
        const sequence = await slots.take(signal)
        await call('open', sequence)
        let length = 0
        return createFedSequence({
          contextTokens: info.contextTokens,
          vocabSize: info.vocabSize,
          feed: (ids, logitsFrom, onSlice) => ({
            result: call('feed', sequence, [...ids], logitsFrom).then((tops) => {
              length += ids.length
              const positions = tops.map(({ ids: top, logits }) => ({
                ids: Uint32Array.from(top),
                logits: Float32Array.from(logits),
              }))
              onSlice({ done: ids.length, length, positions })
            }),
            cancel: () => {},
          }),
          close: async () => {
            await call('close', sequence)
            slots.give(sequence)
          },
        })
      },
      [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
    }
  } catch (error) {
    await test[Symbol.asyncDispose]()
    throw error
  }
}
