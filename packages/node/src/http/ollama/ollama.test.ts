import { EngineError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { createTestApi } from '../api.fixture.ts'

const chat = (more: object = {}) => ({
  model: 'toy',
  messages: [{ role: 'user', content: 'Hi' }],
  ...more,
})
const lines = async (response: Response | Promise<Response>) =>
  (await (await response).text())
    .trim()
    .split('\n')
    // biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect
    .map((line): any => JSON.parse(line))

const figures = {
  done: true,
  done_reason: 'stop',
  total_duration: expect.any(Number),
  load_duration: expect.any(Number),
  prompt_eval_count: 9,
  prompt_eval_duration: 1_000_000,
  eval_count: 3,
  eval_duration: 2_000_000,
}

describe('POST /api/chat', () => {
  it('default: lines of JSON, the last with figures', async () => {
    await using api = createTestApi()
    const response = await api.send('/api/chat', chat())
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const all = await lines(response)
    const head = { model: 'toy', created_at: '2023-11-14T22:13:20.000Z' }
    expect(all[0]).toEqual({
      ...head,
      message: { role: 'assistant', content: 'Hello' },
      done: false,
    })
    expect(all.at(-1)).toEqual({
      ...head,
      message: { role: 'assistant', content: '' },
      ...figures,
    })
  })

  it('behaviour: whole where no stream is wanted', async () => {
    await using api = createTestApi()
    const { json } = await api.ask('/api/chat', chat({ stream: false, logprobs: true }))
    expect(json).toMatchObject({
      message: { role: 'assistant', content: 'Hello there.' },
      logprobs: [{ token: 'Hello' }, {}, {}],
      ...figures,
    })
  })

  it('behaviour: options reach the model', async () => {
    await using api = createTestApi()
    const options = {
      temperature: 0.1,
      top_k: 3,
      num_predict: 1,
      repeat_penalty: 1.2,
      repeat_last_n: 5,
      stop: ['a'],
      seed: 4,
    }
    const { json } = await api.ask('/api/chat', chat({ stream: false, format: 'json', options }))
    expect(json.done_reason).toBe('length')
    expect(api.scripted.asked[0]).toMatchObject({
      maxTokens: 1,
      stop: ['a'],
      format: { kind: 'json' },
      sampling: { temperature: 0.1, topK: 3, repeatPenalty: 1.2, penaltyTokens: 5, seed: 4 },
    })
  })

  it('behaviour: a call of a tool has its arguments as an object', async () => {
    const call = '<tool_call>{"name": "a", "arguments": {"b": 1}}</tool_call>'
    await using api = createTestApi({ script: { pieces: [call] } })
    const tools = [{ type: 'function', function: { name: 'a' } }]
    const [first] = await lines(api.send('/api/chat', chat({ tools })))
    expect(first.message.tool_calls).toEqual([
      { id: expect.any(String), function: { name: 'a', arguments: { b: 1 } } },
    ])
  })

  it('behaviour: without messages the model is loaded, and unloaded', async () => {
    await using api = createTestApi()
    const load = await api.ask('/api/chat', { model: 'toy', keep_alive: '10m' })
    expect(load.json).toMatchObject({ done: true, done_reason: 'load' })
    const { json } = await api.ask('/api/ps')
    expect(json.models).toMatchObject([
      { name: 'toy', size: 1_000, context_length: 512, state: 'ready', processor: '100% CPU' },
    ])
    const left = Date.parse(json.models[0].expires_at) - Date.now()
    expect(left).toBeGreaterThan(500_000)
    expect(left).toBeLessThan(600_001)
    const unload = await api.ask('/api/generate', { model: 'toy', keep_alive: 0 })
    expect(unload.json).toMatchObject({ done: true, done_reason: 'unload' })
    expect((await api.ask('/api/ps')).json).toEqual({ models: [] })
  })

  it.each([
    ['num_gpu', chat({ options: { num_gpu: 3 } }), /options\.num_gpu is not supported/],
    ['mirostat', chat({ options: { mirostat: 2 } }), /options\.mirostat is not supported/],
    ['num_ctx beyond the model', chat({ options: { num_ctx: 999_999 } }), /context of 999999/],
    ['truncate', chat({ truncate: true }), /truncate is not supported/],
    ['an image', chat({ messages: [{ role: 'user', images: ['x'] }] }), /images are not supported/],
    ['thinking', chat({ think: true }), /cannot think/],
    ['a wrong keep_alive', chat({ keep_alive: 'soon' }), /is no duration/],
    ['a wrong type', chat({ messages: 'x' }), /messages is wrong/],
  ])('behaviour: %s is refused by name', async (_name, body, words) => {
    await using api = createTestApi()
    const { status, json } = await api.ask('/api/chat', body)
    expect(status).toBe(400)
    expect(json).toEqual({ error: expect.stringMatching(words) })
  })

  it('behaviour: a failure on the way is a line', async () => {
    await using api = createTestApi({
      script: {
        beforePiece: (index) => {
          if (index > 0) throw new EngineError({ what: 'the engine process died' })
        },
      },
    })
    const all = await lines(api.send('/api/chat', chat()))
    expect(all.at(-1)).toEqual({ error: 'the engine process died' })
    expect(all).toHaveLength(2)
  })
})

describe('POST /api/generate', () => {
  it('default', async () => {
    await using api = createTestApi()
    const body = { model: 'toy', prompt: 'Hi', system: 'Be kind', stream: false }
    const { json } = await api.ask('/api/generate', body)
    expect(json).toMatchObject({ response: 'Hello there.', ...figures, prompt_eval_count: 24 })
    expect(api.scripted.asked[0]?.prompt).toBe('[system]Be kind[user]Hi>')
  })

  it('behaviour: a raw prompt goes as it is', async () => {
    await using api = createTestApi()
    await api.ask('/api/generate', { model: 'toy', prompt: 'Hi', raw: true, stream: false })
    expect(api.scripted.asked[0]?.prompt).toBe('Hi')
    const { status } = await api.ask('/api/generate', { model: 'toy', prompt: 'a', suffix: 'b' })
    expect(status).toBe(400)
  })
})

describe('models over Ollama’s interface', () => {
  it('default', async () => {
    await using api = createTestApi()
    expect((await api.ask('/api/tags')).json.models).toEqual([
      {
        name: 'toy',
        model: 'toy',
        modified_at: '2023-11-14T22:13:20.000Z',
        size: 1_000,
        digest: '70'.repeat(32),
        details: {
          parent_model: '',
          format: 'gguf',
          family: 'toy',
          families: ['toy'],
          parameter_size: '3.1M',
          quantization_level: '',
          context_length: 512,
        },
        capabilities: ['completion', 'embedding'],
      },
    ])
    expect((await api.ask('/api/show', { model: 'toy' })).json).toMatchObject({
      license: 'apache-2.0',
      model_info: { 'general.architecture': 'toy' },
    })
    expect((await api.ask('/api/version')).json).toEqual({ version: '0.1.0' })
    expect(await (await api.send('/')).text()).toBe('Ollama is running')
  })

  it('behaviour: an unknown model is 404', async () => {
    await using api = createTestApi()
    for (const path of ['/api/show', '/api/chat', '/api/embed']) {
      const body = { model: 'nobody', messages: [{ role: 'user', content: 'a' }], input: 'a' }
      const { status, json } = await api.ask(path, body)
      expect([path, status, json]).toEqual([path, 404, { error: expect.any(String) }])
    }
  })

  it('behaviour: what Ollama can make of a model, and we cannot, is refused by name', async () => {
    await using api = createTestApi()
    const quantize = { model: 'b', from: 'toy', quantize: 'q4_0' }
    const made = await api.ask('/api/create', quantize)
    expect(made).toMatchObject({
      status: 400,
      json: { error: expect.stringMatching(/quantize is not/) },
    })
    const push = await api.ask('/api/push', { model: 'toy' })
    expect(push).toMatchObject({ status: 404, json: { error: expect.any(String) } })
  })

  it('behaviour: the words of the store go through', async () => {
    const done: string[] = []
    const { parts } = createTestApi()
    const models = {
      ...parts.models,
      store: {
        pull: async function* (name: string) {
          yield { status: `pulling ${name}`, total: 2, completed: 1 }
          yield { status: 'success' }
        },
        copy: async (from: string, to: string) => void done.push(`${from} → ${to}`),
        remove: async (name: string) => void done.push(`− ${name}`),
      },
    }
    await using api = createTestApi({ models })
    expect(await lines(api.send('/api/pull', { model: 'b' }))).toEqual([
      { status: 'pulling b', total: 2, completed: 1 },
      { status: 'success' },
    ])
    await api.send('/api/copy', { source: 'a', destination: 'b' })
    await api.send('/api/delete', { model: 'b' }, { method: 'DELETE' })
    expect(done).toEqual(['a → b', '− b'])
  })
})

describe('POST /api/embed', () => {
  it('default', async () => {
    await using api = createTestApi()
    const { json } = await api.ask('/api/embed', { model: 'toy', input: ['Hi', 'Hello'] })
    expect(json.embeddings).toHaveLength(2)
    expect(json.prompt_eval_count).toBe(9)
    const old = await api.ask('/api/embeddings', { model: 'toy', prompt: 'Hi' })
    expect(old.json.embedding).toHaveLength(2)
    const long = { model: 'toy', input: 'a'.repeat(600), truncate: true }
    expect((await api.ask('/api/embed', long)).status).toBe(400)
  })
})
