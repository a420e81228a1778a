import { describe, expect, it } from 'vitest'
import { createTestModel, createTestRandom, speak } from './model.fixture.ts'
import { auditReading, readByDecoding, readByPrefill, throwDice, writeText } from './readings.ts'
import { replay } from './replay.ts'

const lender = createTestModel({ weights: 3, device: 1, noise: 0.1 })
const auditor = createTestModel({ weights: 3, device: 2, noise: 0.1 })
const PROMPT = [1, 2, 3]
const temperature = 1

describe('readings', () => {
  it('default: dice over readings find what a replay of the real answer finds', async () => {
    const random = createTestRandom(7)
    let off = 0
    for (let n = 0; n < 20; n++) {
      const seed = random(32)
      const init = { promptIds: PROMPT, seed, temperature, maxTokens: 64 }
      const text = await writeText(lender, init)
      const dice = throwDice(() => seed)
      const found = auditReading(
        { lender: text.reading, auditor: await readByPrefill(auditor, text) },
        { lender: dice, auditor: dice },
        temperature,
      )
      expect(found).toEqual(await replay(auditor, { ...init, ids: text.ids }))
      off += found.filter(({ margin }) => margin > 0).length
    }
    // Else the two would agree about nothing happening.
    expect(off).toBeGreaterThan(0)
  })

  it('behaviour: other dice let the lender choose another text', async () => {
    const random = createTestRandom(8)
    const text = await writeText(lender, {
      promptIds: PROMPT,
      seed: random(32),
      temperature,
      maxTokens: 64,
    })
    const pair = { lender: text.reading, auditor: await readByPrefill(auditor, text) }
    const found = auditReading(
      pair,
      { lender: throwDice(random), auditor: throwDice(random) },
      temperature,
    )
    expect(found.filter(({ margin }) => margin > 0.5).length).toBeGreaterThan(16)
  })

  it('behaviour: reads along the very text, by token and all at once alike', async () => {
    const seed = createTestRandom(9)(32)
    const ids = await speak(lender, { promptIds: PROMPT, seed, maxTokens: 16 })
    const text = { promptIds: PROMPT, ids }
    const decoded = await readByDecoding(lender, text)
    expect(decoded).toHaveLength(16)
    expect(decoded).toEqual(await readByPrefill(lender, text))
  })
})
