import type { Completion, CompletionInit } from '@freehold/core/device/completions'
import { EngineError, LendingError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { createTestApi } from '../api.fixture.ts'
import { MAX_BODY_BYTES } from '../read-body.ts'

const PATH = '/v1/chat/completions'
const body = (more: object = {}) => ({
  model: 'toy',
  messages: [{ role: 'user', content: 'Hi' }],
  ...more,
})
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'Weather of a place',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
}

describe('POST /v1/chat/completions', () => {
  it('default', async () => {
    await using api = createTestApi()
    const { status, headers, json } = await api.ask(PATH, body())
    expect(status).toBe(200)
    expect(headers.get('x-request-id')).toMatch(/^req_/)
    expect(json).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'toy',
      system_fingerprint: null,
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          logprobs: null,
          message: { role: 'assistant', content: 'Hello there.', refusal: null },
        },
      ],
      usage: {
        prompt_tokens: 9,
        completion_tokens: 3,
        total_tokens: 12,
        prompt_tokens_details: { cached_tokens: 2 },
      },
    })
    expect(api.scripted.asked[0]?.prompt).toBe('[user]Hi>')
  })

  it('behaviour: a stream has one id, a role first, a finish, usage where asked, and an end', async () => {
    await using api = createTestApi()
    const init = body({ stream: true, stream_options: { include_usage: true } })
    const events = await api.events(PATH, init)
    expect(events.pop()).toBe('[DONE]')
    expect(new Set(events.map(({ id }) => id)).size).toBe(1)
    expect(events.map(({ object }) => object)).toEqual(
      new Array(events.length).fill('chat.completion.chunk'),
    )
    expect(events.map(({ choices }) => choices[0]?.delta ?? null)).toEqual([
      { role: 'assistant', content: '', refusal: null },
      { content: 'Hello' },
      { content: ' there' },
      { content: '.' },
      {},
      null,
    ])
    expect(events.at(-2)?.choices[0].finish_reason).toBe('stop')
    expect(events.at(-2)?.usage).toBeNull()
    expect(events.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 12 } })
  })

  it('behaviour: what is asked for reaches the model', async () => {
    await using api = createTestApi()
    await api.ask(
      PATH,
      body({
        temperature: 0.3,
        top_p: 0.5,
        seed: 7,
        stop: 'x',
        max_tokens: 9,
        max_completion_tokens: 2,
        presence_penalty: 1,
        logit_bias: { 5: -100 },
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { a: 1 } } },
      }),
    )
    expect(api.scripted.asked[0]).toMatchObject({
      maxTokens: 2,
      stop: ['x'],
      format: { kind: 'schema', schema: { a: 1 } },
      sampling: { temperature: 0.3, topP: 0.5, seed: 7, presencePenalty: 1, topK: 40 },
    })
    expect(api.scripted.asked[0]?.sampling.logitBias).toEqual(new Map([[5, -100]]))
  })

  it('behaviour: log-probabilities come with bytes', async () => {
    await using api = createTestApi({ script: { pieces: ['é'] } })
    const { json } = await api.ask(PATH, body({ logprobs: true, top_logprobs: 1 }))
    const one = { token: 'é', logprob: -0.5, bytes: [0xc3, 0xa9] }
    expect(json.choices[0].logprobs).toEqual({
      content: [{ ...one, top_logprobs: [one] }],
      refusal: null,
    })
    const [, event] = await api.events(PATH, body({ logprobs: true, stream: true }))
    expect(event.choices[0].logprobs.content).toHaveLength(1)
  })

  it('behaviour: several choices, each with a seed of its own', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, body({ n: 2, seed: 7 }))
    expect(json.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1])
    expect(json.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 6 })
    expect(new Set(api.scripted.asked.map(({ sampling }) => sampling.seed))).toEqual(
      new Set([7, 8]),
    )
    const events = await api.events(PATH, body({ n: 2, stream: true }))
    const ends = events.filter((event) => event.choices?.[0]?.finish_reason === 'stop')
    expect(new Set(ends.map((event) => event.choices[0].index))).toEqual(new Set([0, 1]))
  })

  it('behaviour: thoughts are told apart from the answer', async () => {
    const info = { chatTemplate: '{{ messages[0].content }}{# </think> #}</think>' }
    await using api = createTestApi({
      script: { info, pieces: ['<thi', 'nk>Hm', '.</think>', '\n\nYes'] },
    })
    const { json } = await api.ask(PATH, body())
    expect(json.choices[0].message).toMatchObject({
      content: 'Yes',
      reasoning_content: 'Hm.',
      reasoning: 'Hm.',
    })
    const events = await api.events(PATH, body({ stream: true }))
    const deltas = events.flatMap((event) => event.choices?.[0]?.delta ?? [])
    expect(deltas).toContainEqual({ reasoning_content: 'Hm', reasoning: 'Hm' })
    expect(deltas).toContainEqual({ content: 'Yes' })
  })

  it('behaviour: tools of a template without any, and their calls', async () => {
    const call = '<tool_call>\n{"name": "weather", "arguments": {"place": "Oslo"}}\n</tool_call>'
    await using api = createTestApi({ script: { pieces: ['Let me see. ', call, '\n', call] } })
    const { json } = await api.ask(PATH, body({ tools: [weather] }))
    expect(json.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: 'Let me see. ',
        tool_calls: [
          {
            id: expect.stringMatching(/^call_/),
            type: 'function',
            function: { name: 'weather', arguments: '{"place":"Oslo"}' },
          },
          { function: { name: 'weather' } },
        ],
      },
    })
    expect(api.scripted.asked[0]?.prompt).toMatch(/^\[system\]You may call.*"weather"/s)
    expect(api.scripted.asked[0]?.format).toMatchObject({ kind: 'grammar' })
    const events = await api.events(PATH, body({ tools: [weather], stream: true }))
    const calls = events.flatMap((event) => event.choices?.[0]?.delta.tool_calls ?? [])
    expect(calls.map(({ index }) => index)).toEqual([0, 1])
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    const next = [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, tool_calls: json.choices[0].message.tool_calls },
      { role: 'tool', tool_call_id: calls[0].id, content: 'rain' },
    ]
    await api.ask(PATH, body({ messages: next }))
    expect(api.scripted.asked.at(-1)?.prompt).toMatch(
      /<tool_call>\n\{"name":"weather".*\[user\]<tool_response>\nrain/s,
    )
  })

  it('behaviour: a template with tools of its own gets them as they are', async () => {
    const info = {
      chatTemplate:
        '{% for t in tools %}{{ t.function.name }};{% endfor %}<tool_call>{% for m in messages %}{{ m.role }} {% if m.tool_calls %}{{ m.tool_calls[0].function.arguments.place }}{% endif %}{% endfor %}',
    }
    await using api = createTestApi({ script: { info } })
    const asked = { id: '1', function: { name: 'weather', arguments: '{"place":"Oslo"}' } }
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', tool_calls: [asked] },
      { role: 'tool', content: 'rain', tool_call_id: '1' },
    ]
    await api.ask(PATH, body({ tools: [weather], messages }))
    expect(api.scripted.asked[0]?.prompt).toBe('weather;<tool_call>user assistant Oslotool ')
    expect(api.scripted.asked[0]?.format).toBeUndefined()
    const strict = { ...weather, function: { ...weather.function, strict: true } }
    await api.ask(PATH, body({ tools: [strict] }))
    expect(api.scripted.asked[1]?.format).toMatchObject({ kind: 'grammar' })
  })

  it('behaviour: tool_choice is honoured', async () => {
    const call = '{"name":"weather","arguments":{"place":"Oslo"}}'
    await using api = createTestApi({ script: { pieces: [call] } })
    const named = { type: 'function', function: { name: 'weather' } }
    for (const choice of ['required', named]) {
      const { json } = await api.ask(PATH, body({ tools: [weather], tool_choice: choice }))
      expect(json.choices[0]).toMatchObject({
        finish_reason: 'tool_calls',
        message: { content: null, tool_calls: [{ function: { arguments: '{"place":"Oslo"}' } }] },
      })
      expect(api.scripted.asked.at(-1)?.format).toMatchObject({
        kind: 'schema',
        schema: { properties: { name: { const: 'weather' } } },
      })
    }
    await api.ask(PATH, body({ tools: [weather], tool_choice: 'none' }))
    expect(api.scripted.asked.at(-1)?.prompt).toBe('[user]Hi>')
    const parallel = { tools: [weather], parallel_tool_calls: false }
    await api.ask(PATH, body(parallel))
    expect(api.scripted.asked.at(-1)?.stop).toEqual(['</tool_call>'])
    const wrong = { type: 'function', function: { name: 'clock' } }
    const { status } = await api.ask(PATH, body({ tools: [weather], tool_choice: wrong }))
    expect(status).toBe(400)
  })

  it.each([
    ['invalid JSON', '{', null, 'invalid_json'],
    ['a list', '[]', null, 'invalid_json'],
    ['no model', { messages: [] }, 'model', 'invalid_value'],
    ['empty messages', body({ messages: [] }), 'messages', 'invalid_value'],
    ['a wrong type', body({ temperature: 'hot' }), 'temperature', 'invalid_value'],
    ['a role nobody has', body({ messages: [{ role: 'x' }] }), 'messages.0.role', 'invalid_value'],
    ['rivals alone', body({ top_logprobs: 2 }), 'top_logprobs', 'invalid_value'],
    ['audio', body({ audio: { voice: 'a' } }), 'audio', 'unsupported_parameter'],
    ['storing', body({ store: true }), 'store', 'unsupported_parameter'],
    ['functions', body({ functions: [{}] }), 'functions', 'unsupported_parameter'],
    ['effort', body({ reasoning_effort: 'high' }), 'reasoning_effort', 'unsupported_parameter'],
    [
      'an image',
      body({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }),
      'messages.0.content.0.type',
      'unsupported_parameter',
    ],
    [
      'an answer that was spoken',
      body({ messages: [{ role: 'assistant', content: '', audio: { id: 'a' } }] }),
      'messages.0.audio',
      'invalid_value',
    ],
    [
      'a call of the oldest kind',
      body({ messages: [{ role: 'assistant', function_call: { name: 'a', arguments: '{}' } }] }),
      'messages.0.function_call',
      'invalid_value',
    ],
    [
      'arguments that are no JSON',
      body({
        messages: [
          { role: 'assistant', tool_calls: [{ id: '1', function: { name: 'a', arguments: '{' } }] },
        ],
      }),
      'messages.0.tool_calls.0.function.arguments',
      'invalid_value',
    ],
    [
      'a prompt longer than the context',
      body({ messages: [{ role: 'user', content: 'a'.repeat(600) }] }),
      'messages',
      'context_length_exceeded',
    ],
  ])('behaviour: %s is refused by name', async (_name, wrong, param, code) => {
    await using api = createTestApi()
    const { status, json } = await api.ask(PATH, wrong)
    expect(status).toBe(400)
    expect(json).toEqual({
      error: { message: expect.any(String), type: 'invalid_request_error', param, code },
    })
    expect(api.scripted.written).toBe(0)
  })

  it('behaviour: what says nothing is no reason to refuse', async () => {
    await using api = createTestApi()
    const { status } = await api.ask(
      PATH,
      body({ store: false, audio: null, temperature: null, service_tier: 'auto', brand_new: 1 }),
    )
    expect(status).toBe(200)
  })

  it('behaviour: an unknown model is 404, and names those that are here', async () => {
    await using api = createTestApi()
    const { status, json } = await api.ask(PATH, body({ model: 'gpt-9' }))
    expect(status).toBe(404)
    expect(json.error).toMatchObject({
      type: 'not_found_error',
      param: 'model',
      code: 'model_not_found',
      message: expect.stringContaining('toy'),
    })
  })

  it('behaviour: a body that is too long is refused unread', async () => {
    await using api = createTestApi()
    const content = 'a'.repeat(MAX_BODY_BYTES)
    const long = JSON.stringify(body({ messages: [{ role: 'user', content }] }))
    const headers = { 'content-length': String(long.length) }
    expect((await api.ask(PATH, long, { headers })).status).toBe(413)
    expect((await api.ask(PATH, long)).status).toBe(413)
  })

  it('behaviour: a chat template that throws is named', async () => {
    const info = { chatTemplate: "{{ raise_exception('only users speak here') }}", name: 'Odd' }
    await using api = createTestApi({ script: { info } })
    const { status, json } = await api.ask(PATH, body())
    expect(status).toBe(400)
    expect(json.error).toMatchObject({ code: 'chat_template', type: 'invalid_request_error' })
    expect(json.error.message).toMatch(/chat template of Odd.*only users speak here/)
  })

  it('behaviour: a failure before the first word has a status, one after it is an event', async () => {
    let at = 0
    await using api = createTestApi({
      script: {
        beforePiece: (index) => {
          if (index === at) throw new EngineError({ what: 'the engine process died' })
        },
      },
    })
    const early = await api.ask(PATH, body({ stream: true }))
    expect(early.status).toBe(500)
    expect(early.headers.get('x-should-retry')).toBe('false')
    at = 2
    const events = await api.events(PATH, body({ stream: true }))
    expect(events.at(-1)).toEqual({
      error: {
        message: 'the engine process died',
        type: 'server_error',
        param: null,
        code: 'engine',
      },
    })
    expect(events.at(-2).choices[0].delta).toEqual({ content: ' there' })
  })

  it('behaviour: of what nobody foresaw nothing is told', async () => {
    const secret = new TypeError('/home/me/secret')
    await using api = createTestApi({
      script: {
        beforePiece: () => {
          throw secret
        },
      },
    })
    const { status, json } = await api.ask(PATH, body())
    expect(status).toBe(500)
    expect(JSON.stringify(json)).not.toContain('secret')
    expect(api.defects).toEqual([secret])
  })

  it('behaviour: a client that hangs up stops its answer within one token', async () => {
    const reached = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    await using api = createTestApi({
      pool: { parallel: 1 },
      script: {
        pieces: new Array(100).fill('x'),
        beforePiece: (index) => {
          if (index < 3) return
          reached.resolve()
          return gate.promise
        },
      },
    })
    const gone = new AbortController()
    const whole = api.send(PATH, body(), { signal: gone.signal })
    await reached.promise
    gone.abort()
    gate.resolve()
    await whole
    expect(api.scripted.written).toBe(3)
    const response = await api.send(PATH, body({ stream: true }))
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    // Its place is free again, or this would wait for good.
    await api.ask(PATH, body({ max_tokens: 1 }))
    expect(api.scripted.written).toBeLessThan(12)
  })

  it('behaviour: a full line is 503, and says when to come again', async () => {
    const gate = Promise.withResolvers<void>()
    await using api = createTestApi({
      pool: { parallel: 1, maxWaiting: 1 },
      script: { beforePiece: () => gate.promise },
    })
    const answers = [api.ask(PATH, body()), api.ask(PATH, body()), api.ask(PATH, body())]
    const { status, headers, json } = await Promise.race(answers)
    expect(status).toBe(503)
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(headers.get('x-should-retry')).toBeNull()
    expect(json.error).toMatchObject({ type: 'server_error', code: 'busy' })
    gate.resolve()
    const statuses = (await Promise.all(answers)).map((one) => one.status)
    expect(statuses.filter((one) => one === 200)).toHaveLength(2)
  })
})

describe('x-freehold-scope and x-freehold-via', () => {
  const lent = { text: 'Lent.', ids: [1], promptTokens: 5, firstTokenMs: 1, totalMs: 2 }
  const complete = (error: Error | null, asked: CompletionInit[] = []) =>
    (async (init: CompletionInit) => {
      asked.push(init)
      init.onText?.('Le')
      init.onText?.('nt.')
      const parts = [{ receipt: 'abc' }, { receipt: null }, { receipt: 'def' }]
      return { ...lent, finish: 'eos', parts, error } as unknown as Completion
    }) as never
  const headers = { 'x-freehold-scope': 'market', 'x-freehold-via': 'peer' }

  it('default: a model that is here answers here, whatever the scope', async () => {
    await using api = createTestApi({ widestScope: 'market' })
    const { json } = await api.ask(PATH, body(), { headers: { 'x-freehold-scope': 'market' } })
    expect(json.choices[0].message.content).toBe('Hello there.')
  })

  it('behaviour: an answer is borrowed where that is asked for and allowed', async () => {
    const asked: CompletionInit[] = []
    await using api = createTestApi({ widestScope: 'market', complete: complete(null, asked) })
    const answer = await api.ask(PATH, body({ temperature: 1 }), { headers })
    expect(answer.headers.get('x-freehold-receipt')).toBe('abc, def')
    expect(answer.json.choices[0].message.content).toBe('Lent.')
    expect(asked[0]).toMatchObject({ scope: 'market', via: 'peer', temperature: 1 })
    const elsewhere = await api.ask(PATH, body({ model: 'birch' }), {
      headers: { 'x-freehold-scope': 'market' },
    })
    expect(elsewhere.json.choices[0].message.content).toBe('Lent.')
  })

  it('behaviour: a request says what its answer may cost, in whole token units', async () => {
    const asked: CompletionInit[] = []
    await using api = createTestApi({ widestScope: 'market', complete: complete(null, asked) })
    const ask = (price: string) =>
      api.ask(PATH, body(), { headers: { ...headers, 'x-freehold-max-price': price } })
    await ask('0')
    await ask('123456789012345678901234567890')
    await api.ask(PATH, body(), { headers })
    expect(asked.map(({ maxPrice }) => maxPrice)).toEqual([
      0n,
      123456789012345678901234567890n,
      undefined,
    ])
    for (const price of ['', '-1', '1.5', '1e3', '0x10', 'all', '9'.repeat(79)]) {
      const { status, json } = await ask(price)
      expect([price, status]).toEqual([price, 400])
      expect(json.error).toMatchObject({ param: 'x-freehold-max-price', code: 'invalid_value' })
    }
    expect(asked).toHaveLength(3)
  })

  it.each([
    ['seed', { seed: 1 }],
    ['top_p', { top_p: 0.5 }],
    ['stop', { stop: ['a'] }],
    ['logprobs', { logprobs: true }],
    ['tools', { tools: [weather] }],
    ['n', { n: 2 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['frequency_penalty', { frequency_penalty: 1 }],
  ])(
    'behaviour: %s cannot be had of a borrowed answer, and is refused by name',
    async (param, more) => {
      await using api = createTestApi({ widestScope: 'market', complete: complete(null) })
      const { status, json } = await api.ask(PATH, body(more), { headers })
      expect(status).toBe(400)
      expect(json.error).toMatchObject({ param, code: 'unsupported_parameter' })
    },
  )

  it('behaviour: a borrowed answer that breaks off is an error after its words', async () => {
    const error = new LendingError('lost', { what: 'the lender is gone' })
    await using api = createTestApi({ widestScope: 'market', complete: complete(error) })
    const events = await api.events(PATH, body({ stream: true }), { headers })
    expect(events.at(-1)).toMatchObject({ error: { code: 'lost' } })
    expect(events.at(-2).choices[0].delta).toEqual({ content: 'Lent.' })
  })

  it('behaviour: no request goes further than the device allows', async () => {
    await using api = createTestApi({ complete: complete(null) })
    const far = await api.ask(PATH, body(), { headers })
    expect(far).toMatchObject({ status: 403, json: { error: { param: 'x-freehold-scope' } } })
    const odd = await api.ask(PATH, body(), { headers: { 'x-freehold-scope': 'world' } })
    expect(odd.status).toBe(400)
    const peer = await api.ask(PATH, body(), { headers: { 'x-freehold-via': 'peer' } })
    expect(peer).toMatchObject({ status: 403, json: { error: { code: 'scope' } } })
  })
})
