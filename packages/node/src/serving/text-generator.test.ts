import { ModelError, UsageError } from '@freehold/core/errors'
import { afterAll, describe, expect, it } from 'vitest'
import { createLlamaEngine, type LlamaModel } from '../engine/llama-engine.ts'
import { ACORN } from '../engine/test-models.ts'
import { PLAIN_SAMPLING, readWhole } from './text-generator.fixture.ts'
import { createTextGenerator } from './text-generator.ts'

const engine = createLlamaEngine()
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})
const model = await engine.load(ACORN, { contextTokens: 1024, sequences: 4 })
const generator = createTextGenerator(model)
const unguessed = createTextGenerator(model, { guesses: false })

const chat = (text: string) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`
const idsOf = (text: string) => model.tokenize(text, { special: true })
const SEA = await idsOf(chat('Tell me about the sea.'))
const STORY = await idsOf(chat('Tell me a story.'))
/** Its own words again and again, so that an answer may copy them. */
const ECHO = await idsOf('The owl and the map. The owl and the map. The owl and the map. The owl')
const GREEDY = { ...PLAIN_SAMPLING, temperature: 0 }
const seeded = (seed: number) => ({ ...PLAIN_SAMPLING, seed })

/** Takes all places of a model and gives them back, which makes it forget. */
async function forget(all: LlamaModel, count: number): Promise<void> {
  const sequences = await Promise.all(Array.from({ length: count }, () => all.openSequence()))
  for (const sequence of sequences) await sequence[Symbol.asyncDispose]()
}

describe('text generator', () => {
  it('default: writes a text, and the same again with the same seed', async () => {
    const first = await readWhole(generator, { promptIds: SEA })
    expect(first.text.length).toBeGreaterThan(10)
    expect(first).toMatchObject({ finish: 'stop', stopText: null, promptTokens: SEA.length })
    expect(first.tokens).toBe(first.ids.length + 1)
    expect(await model.detokenize(first.ids)).toBe(first.text)
    const again = await readWhole(generator, { promptIds: SEA })
    expect(again.text).toBe(first.text)
    const others = [2, 3, 4].map((seed) =>
      readWhole(generator, { promptIds: SEA, sampling: seeded(seed) }),
    )
    expect((await Promise.all(others)).some(({ text }) => text !== first.text)).toBe(true)
  })

  it('behaviour: ends after maxTokens, and says so', async () => {
    const { finish, tokens, ids } = await readWhole(generator, { promptIds: STORY, maxTokens: 7 })
    expect({ finish, tokens, count: ids.length }).toEqual({ finish: 'length', tokens: 7, count: 7 })
  })

  it('behaviour: what an earlier text computed is used again and changes nothing', async () => {
    await forget(model, 4)
    const first = await readWhole(generator, { promptIds: STORY, maxTokens: 40 })
    expect(first.cachedTokens).toBe(0)
    const same = await readWhole(generator, { promptIds: STORY, maxTokens: 40 })
    expect(same).toMatchObject({ text: first.text, cachedTokens: STORY.length - 1 })
    const turn = [...STORY, ...first.ids, ...(await idsOf(`<|im_end|>\n${chat('And then?')}`))]
    const warm = await readWhole(generator, { promptIds: turn })
    // The last token of an answer may not have been taken in.
    expect(warm.cachedTokens).toBeGreaterThanOrEqual(STORY.length + first.ids.length - 1)
    await forget(model, 4)
    const cold = await readWhole(generator, { promptIds: turn })
    expect(cold).toMatchObject({ text: warm.text, cachedTokens: 0 })
  })

  it('behaviour: texts with the same beginning share what is computed for it', async () => {
    await forget(model, 4)
    const system = await idsOf('<|im_start|>system\nYou are an owl who knows all maps.<|im_end|>\n')
    await readWhole(generator, { promptIds: [...system, ...SEA] })
    const { cachedTokens } = await readWhole(generator, { promptIds: [...system, ...STORY] })
    expect(cachedTokens).toBeGreaterThanOrEqual(system.length)
  })

  it('behaviour: a text begins with a copy of what a running one holds', async () => {
    await forget(model, 4)
    const system = await idsOf(
      `<|im_start|>system\n${'You are an owl who knows all maps. '.repeat(9)}<|im_end|>\n`,
    )
    const [sea, story] = [SEA, STORY].map((ids) => [...system, ...ids]) as [number[], number[]]
    const alone = await readWhole(unguessed, { promptIds: story })
    await forget(model, 4)
    const running = unguessed.generate({
      promptIds: sea,
      maxTokens: 400,
      sampling: seeded(5),
      stop: [],
    })
    const pieces = [(await running.next()).value]
    const beside = await Promise.all([1, 2].map(() => readWhole(unguessed, { promptIds: story })))
    for (const text of beside) {
      expect(text.text).toBe(alone.text)
      expect(text.cachedTokens).toBeGreaterThanOrEqual(system.length)
    }
    for await (const piece of running) pieces.push(piece)
    await forget(model, 4)
    const whole = await readWhole(unguessed, {
      promptIds: sea,
      maxTokens: 400,
      sampling: seeded(5),
    })
    expect(pieces.map((piece) => (piece as { text: string }).text).join('')).toBe(whole.text)
  })

  it('behaviour: a copy of what is gone meanwhile is computed instead', async () => {
    const long = [...ECHO, ...ECHO]
    await forget(model, 4)
    const first = await model.openText({ promptIds: long })
    await first.prefill(long)
    const late = await model.openText({ promptIds: [...long, 5] })
    expect(late.cachedTokens).toBe(long.length)
    first.cutTo(0)
    await first.prefill([...SEA, ...long])
    const [next] = await late.prefill([5])
    await first[Symbol.asyncDispose]()
    await late[Symbol.asyncDispose]()
    await forget(model, 4)
    const fresh = await model.openSequence()
    const [wanted] = await fresh.prefill([...long, 5])
    await fresh[Symbol.asyncDispose]()
    expect(next!.ids.slice(0, 5)).toEqual(wanted!.ids.slice(0, 5))
  })

  it('behaviour: a sequence that may be audited remembers nothing and is not waited for', async () => {
    await using single = await engine.load(ACORN, { contextTokens: 512, sequences: 1 })
    const texts = createTextGenerator(single)
    const fresh = await single.openSequence()
    const expected = await fresh.prefill(SEA)
    await fresh[Symbol.asyncDispose]()
    await readWhole(texts, {
      promptIds: SEA,
      sampling: { ...GREEDY, logitBias: new Map([[5, 9]]) },
    })
    const sequence = await single.openSequence({ signal: AbortSignal.timeout(20_000) })
    expect(sequence.length).toBe(0)
    expect(await sequence.prefill(SEA)).toEqual(expected)
    await sequence[Symbol.asyncDispose]()
    expect((await readWhole(texts, { promptIds: SEA })).cachedTokens).toBe(0)
  })

  it('behaviour: guesses change the speed and nothing else', async () => {
    const again = { ...seeded(4), logitBias: new Map([[ECHO[0]!, 100]]) }
    // It has learned nothing yet: whatever else the machine does, the first guess is computed.
    await using unlearned = await engine.load(ACORN, { contextTokens: 512, sequences: 1 })
    const guessing = createTextGenerator(unlearned)
    for (const sampling of [again, GREEDY, seeded(1), { ...seeded(3), temperature: 0.5 }]) {
      for (const promptIds of [ECHO, STORY]) {
        const init = { promptIds, sampling, maxTokens: 100 }
        const guessed = await readWhole(guessing, init)
        const plain = await readWhole(unguessed, init)
        expect(guessed.ids).toEqual(plain.ids)
        expect(guessed).toMatchObject({ tokens: plain.tokens, finish: plain.finish })
        expect(plain.guessedTokens).toBe(0)
        if (sampling === again && promptIds === ECHO) {
          expect(guessed.guessedTokens).toBeGreaterThan(0)
        }
      }
    }
  })

  it('behaviour: guesses change nothing where a format is set', async () => {
    const items = {
      type: 'array',
      items: { enum: ['the owl and the map', 'the sea'] },
      minItems: 9,
    }
    const formats = [
      { kind: 'schema', schema: items },
      { kind: 'json' },
      { kind: 'grammar', text: 'root ::= ("The owl " [a-z]{1,3} " the map. "){6}' },
    ] as const
    let right = 0
    for (const format of formats) {
      for (const sampling of [GREEDY, seeded(1), seeded(2), { ...seeded(3), temperature: 0.5 }]) {
        const init = { promptIds: ECHO, sampling, format, maxTokens: 120, topLogprobs: 0 }
        const guessed = await readWhole(generator, init)
        const plain = await readWhole(unguessed, init)
        expect(guessed.ids).toEqual(plain.ids)
        expect(guessed).toMatchObject({ tokens: plain.tokens, finish: plain.finish })
        right += guessed.guessedTokens
      }
    }
    expect(right).toBeGreaterThan(0)
  })

  it('behaviour: texts at once are what each is alone', async () => {
    const prompts = await Promise.all(
      ['sea', 'owl', 'map', 'moon', 'king', 'tree'].map((word) =>
        idsOf(chat(`Tell me about the ${word}.`)),
      ),
    )
    const alone = []
    for (const promptIds of prompts) alone.push(await readWhole(unguessed, { promptIds }))
    const together = await Promise.all(
      prompts.map((promptIds) => readWhole(unguessed, { promptIds })),
    )
    expect(together.map(({ text }) => text)).toEqual(alone.map(({ text }) => text))
  })

  it('behaviour: a stop text that lies over several tokens is never shown', async () => {
    const whole = await readWhole(generator, { promptIds: STORY, maxTokens: 60 })
    const stop = whole.text.slice(41, 52)
    const stopped = await readWhole(generator, {
      promptIds: STORY,
      maxTokens: 60,
      stop: ['§', stop],
    })
    expect(stopped).toMatchObject({ finish: 'stop', stopText: stop })
    expect(stopped.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)))
    expect(stopped.ids).toEqual(whole.ids.slice(0, stopped.ids.length))
  })

  it('behaviour: shows whole characters, and the bytes of each token', async () => {
    const format = { kind: 'grammar', text: 'root ::= "Füße 🦉🌊 漢字"' } as const
    const { pieces, text, ids } = await readWhole(generator, {
      promptIds: SEA,
      format,
      topLogprobs: 0,
    })
    expect(text).toBe('Füße 🦉🌊 漢字')
    for (const piece of pieces) expect(piece.text).not.toMatch(/\uFFFD|[\uD800-\uDBFF]$/)
    const logprobs = pieces.flatMap((piece) => piece.logprobs ?? [])
    expect(logprobs.map(({ id }) => id)).toEqual(ids)
    expect(Buffer.concat(logprobs.map(({ bytes }) => bytes)).toString()).toBe(text)
  })

  it('behaviour: log-probabilities are of the whole vocabulary, whatever is biased', async () => {
    const sequence = await model.openSequence()
    const [top] = await sequence.prefill(SEA)
    await sequence[Symbol.asyncDispose]()
    const [first, second] = top!.ids
    const gap = top!.logits[0]! - top!.logits[1]!
    for (const logitBias of [new Map<number, number>(), new Map([[second!, -3]])]) {
      const sampling = { ...GREEDY, logitBias }
      const init = { promptIds: SEA, sampling, topLogprobs: 20, maxTokens: 1 }
      const [piece] = (await readWhole(generator, init)).pieces
      const [token] = piece!.logprobs!
      expect(token!.top).toHaveLength(20)
      expect(token!.top[0]).toMatchObject({ id: first, logprob: token!.logprob })
      expect(token!.top[1]).toMatchObject({ id: second })
      expect(token!.logprob - token!.top[1]!.logprob).toBeCloseTo(gap, 3)
      const sum = token!.top.reduce((total, { logprob }) => total + Math.exp(logprob), 0)
      expect(sum).toBeLessThan(1)
      expect(sum).toBeGreaterThan(0.9)
    }
    const text = await model.openText({ promptIds: SEA, isSummed: true })
    const [all] = await text.prefill(SEA.slice(text.cachedTokens))
    await text[Symbol.asyncDispose]()
    const share = all!.logits.reduce((sum, logit) => sum + Math.exp(logit - all!.logSum), 0)
    expect(share).toBeLessThan(1)
    expect(share).toBeGreaterThan(0.95)
  })

  it('behaviour: a bias forces tokens that are not among the highest, and bans those that are', async () => {
    const [far] = await model.tokenize(' Q')
    const forced = await readWhole(generator, {
      promptIds: SEA,
      maxTokens: 3,
      sampling: { ...seeded(1), logitBias: new Map([[far!, 100]]) },
    })
    expect(forced.ids).toEqual([far, far, far])
    const plain = await readWhole(generator, { promptIds: SEA, sampling: GREEDY, maxTokens: 1 })
    const logitBias = new Map([[plain.ids[0]!, -100]])
    const banned = await readWhole(generator, {
      promptIds: SEA,
      sampling: { ...GREEDY, logitBias },
      maxTokens: 20,
    })
    expect(banned.ids).not.toContain(plain.ids[0])
  })

  it('behaviour: a penalty for repeating is felt', async () => {
    const plain = await readWhole(generator, { promptIds: ECHO, sampling: GREEDY, maxTokens: 40 })
    const sampling = { ...GREEDY, frequencyPenalty: 2, presencePenalty: 2, penaltyTokens: -1 }
    const init = { promptIds: ECHO, sampling, maxTokens: 40 }
    const penalised = await readWhole(generator, init)
    const distinct = (ids: number[]) => new Set(ids).size / ids.length
    expect(distinct(penalised.ids)).toBeGreaterThan(distinct(plain.ids))
    expect((await readWhole(unguessed, init)).ids).toEqual(penalised.ids)
  })

  it('behaviour: an abort ends the text within one token and frees its place', async () => {
    await using single = await engine.load(ACORN, { contextTokens: 1024, sequences: 1 })
    const texts = createTextGenerator(single)
    const controller = new AbortController()
    const text = texts.generate({
      promptIds: STORY,
      maxTokens: 900,
      sampling: { ...GREEDY, logitBias: new Map(model.info.endIds.map((id) => [id, -100])) },
      stop: [],
      signal: controller.signal,
    })
    for (let piece = 0; piece < 5; piece++) await text.next()
    const waiting = readWhole(texts, { promptIds: SEA })
    controller.abort()
    await expect(text.next()).rejects.toMatchObject({ name: 'AbortError' })
    expect((await waiting).text).not.toBe('')
    for await (const piece of texts.generate({
      promptIds: STORY,
      maxTokens: 900,
      sampling: GREEDY,
      stop: [],
    })) {
      expect(piece.text).not.toBe('')
      break
    }
    expect((await readWhole(texts, { promptIds: SEA })).text).not.toBe('')
    await expect(
      readWhole(texts, { promptIds: SEA, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('behaviour: refuses what cannot be, before anything is computed', async () => {
    const refused = (init: object) =>
      expect(readWhole(generator, { promptIds: SEA, ...init })).rejects
    await refused({ maxTokens: 1024 }).toThrow(
      /do not fit into the context: \d+ tokens of prompt and up to 1024 of answer are more than the 1024/,
    )
    await refused({ maxTokens: 1024 }).toBeInstanceOf(UsageError)
    await refused({ promptIds: [] }).toThrow('the prompt is empty')
    await refused({ promptIds: [99_999] }).toThrow('99999 is no token')
    await refused({ stop: [''] }).toThrow('a stop text is empty')
    await refused({ topLogprobs: 21 }).toThrow('topLogprobs is 21')
    await refused({ sampling: { ...GREEDY, temperature: -1 } }).toThrow('temperature is -1')
    await refused({ sampling: { ...GREEDY, seed: 0.5 } }).toThrow('seed is 0.5')
    const format = { kind: 'grammar', text: 'root ::= missing' }
    await refused({ format }).toThrow(/the grammar cannot be used/)
    await refused({ format }).toBeInstanceOf(UsageError)
    await expect(generator.embed([[]])).rejects.toThrow('empty')
    // Nothing of it took a place.
    expect((await readWhole(generator, { promptIds: SEA })).text).not.toBe('')
  })

  it('behaviour: embeds texts as vectors of length 1', async () => {
    const [sea, again, map] = await generator.embed([SEA, SEA, await idsOf('a map')])
    const dot = (a: Float32Array, b: Float32Array) =>
      a.reduce((sum, value, index) => sum + value * b[index]!, 0)
    expect(sea).toHaveLength(256)
    expect(dot(sea!, sea!)).toBeCloseTo(1, 5)
    expect(dot(sea!, again!)).toBeCloseTo(1, 4)
    expect(dot(sea!, map!)).toBeLessThan(0.999)
    await using vocabulary = await engine.load(ACORN, { vocabOnly: true })
    await expect(createTextGenerator(vocabulary).embed([SEA])).rejects.toBeInstanceOf(ModelError)
  })

  it('behaviour: writes with flash attention and other KV types', async () => {
    for (const init of [{ flashAttn: true, kvType: 'q8_0' as const }, { kvType: 'f32' as const }]) {
      await using other = await engine.load(ACORN, { contextTokens: 256, sequences: 1, ...init })
      expect(other.info.profile).toMatchObject(init)
      const texts = createTextGenerator(other)
      expect((await readWhole(texts, { promptIds: SEA })).text).not.toBe('')
    }
    await expect(engine.load(ACORN, { kvType: 'q8_0' })).rejects.toThrow(/needs flash attention/)
  })

  it('behaviour: closing it ends its texts, and the model goes on', async () => {
    const texts = createTextGenerator(model)
    const text = texts.generate({ promptIds: STORY, maxTokens: 500, sampling: GREEDY, stop: [] })
    await text.next()
    await texts[Symbol.asyncDispose]()
    await expect(
      (async () => {
        while ((await text.next()).done !== true);
      })(),
    ).rejects.toThrow('the generator was closed')
    expect((await readWhole(generator, { promptIds: SEA })).text).not.toBe('')
  })
})
