import { describe, expect, it } from 'vitest'
import { createTestApi } from '../api.fixture.ts'

describe('POST /v1/completions', () => {
  const PATH = '/v1/completions'

  it('default: a plain text goes to the model as it is', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, { model: 'toy', prompt: 'Once', logprobs: 1 })
    expect(json).toMatchObject({
      object: 'text_completion',
      choices: [
        {
          index: 0,
          text: 'Hello there.',
          finish_reason: 'stop',
          logprobs: {
            tokens: ['Hello', ' there', '.'],
            text_offset: [0, 5, 11],
            token_logprobs: [-0.5, -0.5, -0.5],
          },
        },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 3 },
    })
    expect(api.scripted.asked[0]).toMatchObject({ prompt: 'Once', maxTokens: 16 })
  })

  it('behaviour: several prompts, also as ids, and several answers of each', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, { model: 'toy', prompt: [[72, 105], [72]], n: 2, seed: 1 })
    expect(json.choices).toHaveLength(4)
    expect(json.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 12 })
    const asked = api.scripted.asked.map(({ prompt, sampling }) => `${prompt} ${sampling.seed}`)
    expect(asked.sort()).toEqual(['H 1', 'H 2', 'Hi 1', 'Hi 2'])
  })

  it('behaviour: a stream, and what is refused', async () => {
    await using api = createTestApi()
    const events = await api.events(PATH, { model: 'toy', prompt: 'Once', stream: true })
    expect(events.at(-1)).toBe('[DONE]')
    expect(events.slice(0, -1).map(({ choices }) => choices[0].text)).toEqual([
      'Hello',
      ' there',
      '.',
      '',
    ])
    for (const param of ['suffix', 'echo', 'best_of']) {
      const value = param === 'best_of' ? 3 : param === 'echo' ? true : 'x'
      const { status, json } = await api.ask(PATH, { model: 'toy', prompt: 'a', [param]: value })
      expect([status, json.error.param]).toEqual([400, param])
    }
  })
})

describe('POST /v1/embeddings', () => {
  it('default: as numbers, and as base64', async () => {
    await using api = createTestApi()
    const ask = (more: object) => api.ask('/v1/embeddings', { model: 'toy', input: 'Hi', ...more })
    const { json } = await ask({})
    expect(json).toMatchObject({
      object: 'list',
      data: [{ object: 'embedding', index: 0 }],
      usage: { prompt_tokens: 3, total_tokens: 3 },
    })
    const packed = (await ask({ encoding_format: 'base64' })).json.data[0].embedding
    const bytes = Buffer.from(packed, 'base64')
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual(json.data[0].embedding)
    // Ids are taken as they are.
    const ids = (await ask({ input: [[72], [73]] })).json
    expect([ids.data.length, ids.usage.prompt_tokens]).toEqual([2, 2])
    expect((await ask({ dimensions: 1 })).json.error.param).toBe('dimensions')
    expect((await ask({ dimensions: 2 })).status).toBe(200)
    expect((await ask({ input: '' })).status).toBe(400)
    expect((await ask({ input: 'a'.repeat(600) })).json.error.code).toBe('context_length_exceeded')
  })
})

describe('POST /v1/rerank', () => {
  it('default: the nearest first', async () => {
    await using api = createTestApi()
    const documents = ['a', 'long one', { text: 'b' }]
    const body = { model: 'toy', query: 'query', documents, top_n: 2, return_documents: true }
    const { json } = await api.ask('/v1/rerank', body)
    expect(json.results).toEqual([
      { index: 1, relevance_score: expect.closeTo(1, 5), document: { text: 'long one' } },
      { index: 0, relevance_score: expect.closeTo(-0.28, 5), document: { text: 'a' } },
    ])
  })
})

describe('GET', () => {
  it('default: models, one model, health, metrics', async () => {
    await using api = createTestApi()
    const model = { id: 'toy', object: 'model', created: 1_700_000_000, owned_by: 'freehold' }
    expect((await api.ask('/v1/models')).json).toEqual({ object: 'list', data: [model] })
    expect((await api.ask('/v1/models/toy')).json).toEqual(model)
    const other = await api.ask('/v1/models/hf.co%2Fa/b%3Ac')
    expect(other.json.error).toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('"hf.co/a/b:c"'),
    })
    expect((await api.ask('/health')).json).toEqual({ status: 'ok' })
    const nowhere = await api.ask('/v1/nowhere')
    expect(nowhere).toMatchObject({ status: 404, json: { error: { code: 'unknown_url' } } })
    await api.ask('/v1/chat/completions', {
      model: 'toy',
      messages: [{ role: 'user', content: 'secret words' }],
    })
    const text = await (await api.send('/metrics')).text()
    expect(text).toContain('freehold_generated_tokens_total{model="toy"} 3')
    expect(text).toContain('freehold_requests_total{route="/v1/models",status="200"} 1')
    expect(text).not.toContain('secret')
  })
})
