/** What each API says to what nobody should send; the same everywhere, in its own words. */
import { EngineError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { createTestApi } from './api.fixture.ts'

const messages = [{ role: 'user', content: 'Hi' }]
const LONG = 'a'.repeat(600)

/** Each API that answers: a sound body, and one whose prompt is longer than the context. */
const ANSWERS: readonly [string, object, object][] = [
  ['/v1/chat/completions', { messages }, { messages: [{ role: 'user', content: LONG }] }],
  ['/v1/completions', { prompt: 'Hi' }, { prompt: LONG }],
  ['/v1/responses', { input: 'Hi' }, { input: LONG }],
  [
    '/v1/messages',
    { messages, max_tokens: 9 },
    { messages: [{ role: 'user', content: LONG }], max_tokens: 9 },
  ],
  ['/api/chat', { messages }, { messages: [{ role: 'user', content: LONG }] }],
  ['/api/generate', { prompt: 'Hi' }, { prompt: LONG }],
]
const EMBEDS: readonly [string, object, object][] = [
  ['/v1/embeddings', { input: 'Hi' }, { input: LONG }],
  ['/v1/rerank', { query: 'Hi', documents: ['a'] }, { query: 'Hi', documents: [LONG] }],
  ['/api/embed', { input: 'Hi' }, { input: LONG }],
  ['/api/embeddings', { prompt: 'Hi' }, { prompt: LONG }],
]
const ALL = [...ANSWERS, ...EMBEDS]

/** What went wrong, whichever API says so. */
// biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect
const messageOf = (json: any): string => json.error.message ?? json.error

describe('bad input', () => {
  it.each(ALL)('default: %s answers to what is sound', async (path, body) => {
    await using api = createTestApi()
    expect((await api.send(path, { model: 'toy', ...body })).status).toBe(200)
  })

  it.each(ALL)('behaviour: %s refuses what is no JSON object', async (path) => {
    await using api = createTestApi()
    for (const text of ['', '{', 'null', '[]', '"Hi"', '{"model": "toy",}', '\0']) {
      const { status, json } = await api.ask(path, text)
      expect([text, status]).toEqual([text, 400])
      expect(messageOf(json)).toMatch(/the body is no JSON/)
    }
    expect(api.defects).toEqual([])
  })

  it.each(ALL)('behaviour: %s knows no model that is not here', async (path, body) => {
    await using api = createTestApi()
    for (const model of ['nobody', '../../etc/passwd', '/etc/passwd', 'a'.repeat(1_000), '\0']) {
      const { status, json } = await api.ask(path, { model, ...body })
      expect([model, status]).toEqual([model, 404])
      expect(messageOf(json)).toMatch(/there is no model/)
    }
    expect(api.defects).toEqual([])
  })

  it.each(ALL)('behaviour: %s cuts off nothing of what is too long', async (path, _, long) => {
    await using api = createTestApi()
    const { status, json } = await api.ask(path, { model: 'toy', ...long })
    expect(status).toBe(400)
    expect(messageOf(json)).toMatch(/60\d tokens, and the context of toy is 512/)
    expect(api.scripted.written).toBe(0)
  })

  it.each(ALL)('behaviour: %s refuses 10 MB unread', async (path, body) => {
    await using api = createTestApi()
    const whole = JSON.stringify({ model: 'toy', ...body, user: 'a'.repeat(10_000_000) })
    const { status, json } = await api.ask(path, whole)
    expect(status).toBe(413)
    expect(messageOf(json)).toMatch(/longer than/)
  })

  it.each(ANSWERS.filter(([path]) => path !== '/v1/completions'))(
    'behaviour: %s names a chat template that throws',
    async (path, body) => {
      const info = { chatTemplate: "{{ raise_exception('no') }}", name: 'Odd' }
      await using api = createTestApi({ script: { info } })
      const { status, json } = await api.ask(path, { model: 'toy', ...body })
      expect(status).toBe(400)
      expect(messageOf(json)).toMatch(/chat template of Odd/)
      // Its place is free again.
      expect(api.parts.pool.rows()).toMatchObject([{ running: 0 }])
    },
  )

  it.each(ANSWERS)('behaviour: %s tells a failure after its first words', async (path, body) => {
    await using api = createTestApi({
      script: {
        beforePiece: (index) => {
          if (index === 1) throw new EngineError({ what: 'the engine process died' })
        },
      },
    })
    const response = await api.send(path, { model: 'toy', stream: true, ...body })
    expect(response.status).toBe(200)
    const text = await response.text()
    expect(text).toMatch(/Hello/)
    const last = text.trim().split(/\n+/).at(-1) ?? ''
    expect(last.replace(/^data: /, '')).toMatch(/^\{.*"error":.*the engine process died/)
    expect(text).not.toMatch(/\[DONE\]|message_stop|response\.completed|"done":true/)
  })
})

describe('what a borrowed answer cannot have', () => {
  const tool = { name: 'a', parameters: { type: 'object' } }
  const headers = { 'x-freehold-scope': 'market', 'x-freehold-via': 'peer' }

  it.each([
    ['/v1/completions', 'prompt', { prompt: 'Hi' }],
    ['/v1/responses', 'top_p', { input: 'Hi', top_p: 0.5 }],
    ['/v1/responses', 'tools', { input: 'Hi', tools: [{ type: 'function', ...tool }] }],
    ['/v1/responses', 'text.format', { input: 'Hi', text: { format: { type: 'json_object' } } }],
    ['/v1/messages', 'top_k', { messages, max_tokens: 9, top_k: 3 }],
    ['/v1/messages', 'stop_sequences', { messages, max_tokens: 9, stop_sequences: ['a'] }],
    [
      '/v1/messages',
      'tools',
      { messages, max_tokens: 9, tools: [{ name: 'a', input_schema: {} }] },
    ],
    ['/v1/messages', 'thinking', { messages, max_tokens: 9, thinking: { type: 'enabled' } }],
    ['/api/chat', 'options.seed', { messages, options: { seed: 1 } }],
    ['/api/chat', 'options.num_ctx', { messages, options: { num_ctx: 64 } }],
    ['/api/chat', 'options.repeat_last_n', { messages, options: { repeat_last_n: 3 } }],
    ['/api/chat', 'format', { messages, format: 'json' }],
    ['/api/chat', 'think', { messages, think: true }],
    ['/api/chat', 'tools', { messages, tools: [{ type: 'function', function: tool }] }],
    ['/api/generate', 'options.stop', { prompt: 'Hi', options: { stop: ['a'] } }],
    ['/api/generate', 'prompt', { prompt: 'Hi', raw: true }],
    ['/v1/embeddings', 'vectors', { input: 'Hi' }],
    ['/v1/rerank', 'vectors', { query: 'Hi', documents: ['a'] }],
    ['/api/embed', 'vectors', { input: 'Hi' }],
  ])('behaviour: %s refuses %s by name', async (path, name, body) => {
    let asked = 0
    const complete = () => {
      asked++
      return Promise.reject(new Error('nothing may leave'))
    }
    await using api = createTestApi({ widestScope: 'market', complete })
    const { status, json } = await api.ask(path, { model: 'toy', ...body }, { headers })
    expect(status).toBe(400)
    expect(messageOf(json)).toMatch(name)
    if (json.error.param !== undefined && name !== 'vectors') expect(json.error.param).toBe(name)
    expect(asked).toBe(0)
  })
})
