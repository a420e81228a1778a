import { afterAll, describe, expect, it } from 'vitest'
import { createLlamaEngine } from './llama-engine.ts'
import { ACORN, createBrokenModels } from './test-models.ts'

/** Ids of the bundled model's begin and end tokens; its own file says to add neither. */
const BEGIN = 2047
const END = 2046
const CONTEXT = 64

const broken = await createBrokenModels()
const engine = createLlamaEngine()
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await broken[Symbol.asyncDispose]()
})

/** The bundled model, saying that its texts have a begin and an end. */
const framed = await broken.make('framed', (bytes) => {
  for (const key of ['tokenizer.ggml.add_bos_token', 'tokenizer.ggml.add_eos_token']) {
    // Behind the key comes the type of its value, and then one byte.
    bytes[bytes.indexOf(key) + key.length + 4] = 1
  }
  return bytes
})
const load = (path: string) => engine.load(path, { contextTokens: CONTEXT, sequences: 1 })

describe('vectors of texts', () => {
  it('default: a text gets the begin and end tokens that its model wants', async () => {
    await using plain = await load(ACORN)
    await using model = await load(framed)
    const words = await plain.tokenize('a map of the sea')
    expect(await plain.idsToEmbed('a map of the sea')).toEqual(words)
    expect(await model.idsToEmbed('a map of the sea')).toEqual([BEGIN, ...words, END])
    expect(await model.idsToEmbed('')).toEqual([BEGIN, END])
    // As llama.cpp has it: what is written there counts, and nothing is left out for it.
    expect(await model.idsToEmbed('<|im_end|>')).toEqual([BEGIN, END, END])
  })

  it('behaviour: ids are embedded as they are, whatever their model would add', async () => {
    await using plain = await load(ACORN)
    await using model = await load(framed)
    const words = await plain.tokenize('a map of the sea')
    const whole = [BEGIN, ...words, END]
    // The same weights give the same vectors of the same ids.
    const vectors = [await plain.embed(words), await plain.embed(whole)]
    expect([await model.embed(words), await model.embed(whole)]).toEqual(vectors)
    expect(vectors[0]).not.toEqual(vectors[1])
  })

  it('behaviour: a text may fill the context to its last token', async () => {
    await using model = await load(framed)
    const ids = Array.from({ length: CONTEXT }, (_, index) => 100 + index)
    expect(await model.embed(ids)).toHaveLength(256)
  })
})
