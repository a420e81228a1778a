import { EngineError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { createTestApi } from '../api.fixture.ts'

const PATH = '/v1/messages'
const body = (more: object = {}) => ({
  model: 'toy',
  max_tokens: 50,
  messages: [{ role: 'user', content: 'Hi' }],
  ...more,
})
const call = '<tool_call>{"name": "weather", "arguments": {"place": "Oslo"}}</tool_call>'
const tools = [{ name: 'weather', input_schema: { type: 'object' } }]

describe('POST /v1/messages', () => {
  it('default', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, body({ system: [{ type: 'text', text: 'Be kind' }] }))
    expect(json).toEqual({
      id: expect.stringMatching(/^msg_/),
      type: 'message',
      role: 'assistant',
      model: 'toy',
      content: [{ type: 'text', text: 'Hello there.', citations: null }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: 22,
        output_tokens: 3,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 2,
      },
    })
    expect(api.scripted.asked[0]?.prompt).toBe('[system]Be kind[user]Hi>')
    const short = await api.ask(PATH, body({ max_tokens: 1 }))
    expect(short.json.stop_reason).toBe('max_tokens')
  })

  it('behaviour: a stream of blocks, each with its beginning and end', async () => {
    await using api = createTestApi({ script: { pieces: ['Let me. ', call] } })
    const events = await api.events(PATH, body({ stream: true, tools }))
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(events[0].message.usage.input_tokens).toBeGreaterThan(0)
    expect(events[5]).toEqual({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'input_json_delta', partial_json: '{"place":"Oslo"}' },
    })
    expect(events[7]).toMatchObject({
      delta: { stop_reason: 'tool_use' },
      usage: { output_tokens: 2 },
    })
  })

  it('behaviour: calls and answers of tools go back into the conversation', async () => {
    await using api = createTestApi({ script: { pieces: [call] } })
    const { json } = await api.ask(PATH, body({ tools }))
    expect(json.content).toEqual([
      { type: 'tool_use', id: expect.any(String), name: 'weather', input: { place: 'Oslo' } },
    ])
    const content = [{ type: 'tool_result', tool_use_id: json.content[0].id, content: 'rain' }]
    const messages = [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: json.content },
      { role: 'user', content },
    ]
    await api.ask(PATH, body({ messages }))
    expect(api.scripted.asked.at(-1)?.prompt).toMatch(
      /"place":"Oslo".*\[user\]<tool_response>\nrain/s,
    )
  })

  it('behaviour: tokens are counted, and nothing is generated', async () => {
    await using api = createTestApi()
    const { max_tokens: _, ...rest } = body()
    const { json } = await api.ask(`${PATH}/count_tokens`, rest)
    expect(json).toEqual({ input_tokens: 9 })
    expect(api.scripted.written).toBe(0)
    expect(api.parts.pool.rows()).toMatchObject([{ running: 0 }])
  })

  it.each([
    ['no max_tokens', { ...body(), max_tokens: undefined }, /max_tokens is wrong/],
    [
      'an image',
      body({ messages: [{ role: 'user', content: [{ type: 'image', source: {} }] }] }),
      /messages\.0\.content: a block of type image/,
    ],
    ['a server’s tool', body({ tools: [{ type: 'web_search_1', name: 'w' }] }), /web_search_1/],
    ['empty messages', body({ messages: [] }), /messages is wrong/],
    ['mcp', body({ mcp_servers: [{}] }), /mcp_servers is not supported/],
    ['thinking', body({ thinking: { type: 'enabled', budget_tokens: 9 } }), /cannot think/],
  ])('behaviour: %s is refused by name', async (_name, wrong, words) => {
    await using api = createTestApi()
    const { status, json } = await api.ask(PATH, wrong)
    expect(status).toBe(400)
    expect(json).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringMatching(words) },
      request_id: expect.stringMatching(/^req_/),
    })
  })

  it('behaviour: a failure on the way is an event', async () => {
    await using api = createTestApi({
      script: {
        beforePiece: (index) => {
          if (index > 0) throw new EngineError({ what: 'the engine process died' })
        },
      },
    })
    const events = await api.events(PATH, body({ stream: true }))
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
  })
})
