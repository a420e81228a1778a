import { afterAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import { ACORN } from '../engine/test-models.ts'
import type { TextFormat } from './generation.ts'
import { SCHEMAS } from './schemas.fixture.ts'
import { PLAIN_SAMPLING, readWhole } from './text-generator.fixture.ts'
import { createTextGenerator } from './text-generator.ts'

const engine = createLlamaEngine()
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})
const model = await engine.load(ACORN, { contextTokens: 1024, sequences: 8 })
const generator = createTextGenerator(model)
const promptIds = await model.tokenize(
  '<|im_start|>user\nTell me about the sea.<|im_end|>\n<|im_start|>assistant\n',
  { special: true },
)
const SEEDS = 10

/** Texts of a format with many seeds, several at once. */
async function write(format: TextFormat, extra: Partial<typeof PLAIN_SAMPLING> = {}) {
  const seeds = Array.from({ length: SEEDS }, (_, seed) => seed)
  return Promise.all(
    seeds.map((seed) =>
      readWhole(generator, {
        promptIds,
        format,
        maxTokens: 600,
        sampling: { ...PLAIN_SAMPLING, topK: 0, ...extra, seed },
      }),
    ),
  )
}

describe('formats', () => {
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    it(`default: a model that knows no JSON keeps the schema: ${name}`, async () => {
      const validator = z.fromJSONSchema(schema as never)
      const texts = await write({ kind: 'schema', schema })
      const ended = texts.filter(({ finish }) => finish === 'stop')
      for (const { text } of ended) {
        const result = validator.safeParse(JSON.parse(text))
        expect(result.error, text).toBeUndefined()
      }
      expect(ended.length).toBeGreaterThan(SEEDS / 2)
      expect(new Set(ended.map(({ text }) => text)).size).toBeGreaterThan(1)
    })
  }

  it('behaviour: JSON is an object, greedily too', async () => {
    for (const temperature of [0, 1]) {
      const texts = await write({ kind: 'json' }, { temperature })
      const ended = texts.filter(({ finish }) => finish === 'stop')
      for (const { text } of ended) {
        expect(JSON.parse(text)).toBeTypeOf('object')
        expect(text).toMatch(/^\{.*\}$/s)
      }
      if (temperature > 0) expect(ended.length).toBeGreaterThan(SEEDS / 2)
    }
  })

  it('behaviour: a grammar is kept to its end, whatever narrows or biases the choice', async () => {
    const text = 'root ::= ("zxq" [0-9]{2} "-"){2} "end."'
    const [far] = await model.tokenize(' sea')
    const logitBias = new Map([[far as number, 100]])
    for (const extra of [{ topK: 1 }, { topP: 0.01 }, { minP: 1 }, { logitBias }]) {
      for (const { text: written, finish } of await write({ kind: 'grammar', text }, extra)) {
        expect(written).toMatch(/^(zxq[0-9]{2}-){2}end\.$/)
        expect(finish).toBe('stop')
      }
    }
  })

  it('behaviour: a grammar that leads nowhere ends its own text only', async () => {
    const text = 'root ::= "a" [\\x00]'
    const plain = { promptIds, sampling: PLAIN_SAMPLING, maxTokens: 30 }
    const [nowhere, beside] = await Promise.allSettled([
      readWhole(generator, { promptIds, format: { kind: 'grammar', text } }),
      readWhole(generator, plain),
    ])
    expect(nowhere).toMatchObject({ status: 'rejected' })
    expect(String((nowhere as PromiseRejectedResult).reason)).toMatch(
      /could not compute: .*grammar/,
    )
    expect(beside.status).toBe('fulfilled')
    expect((await readWhole(generator, plain)).text).not.toBe('')
  })

  it('behaviour: one text’s format leaves the others alone', async () => {
    const plain = { promptIds, sampling: PLAIN_SAMPLING, maxTokens: 30 }
    const alone = await readWhole(generator, plain)
    const format = { kind: 'grammar', text: 'root ::= [0-9]{40}' } as const
    const [digits, beside] = await Promise.all([
      readWhole(generator, { promptIds, format }),
      readWhole(generator, plain),
    ])
    expect(digits.text).toMatch(/^[0-9]{40}$/)
    expect(beside.text).toBe(alone.text)
    expect((await readWhole(generator, plain)).text).toBe(alone.text)
  })
})
