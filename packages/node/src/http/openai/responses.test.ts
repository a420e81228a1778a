import { EngineError } from '@freehold/core/errors'
import { describe, expect, it } from 'vitest'
import { createTestApi } from '../api.fixture.ts'

const PATH = '/v1/responses'
const body = (more: object = {}) => ({ model: 'toy', input: 'Hi', ...more })

describe('POST /v1/responses', () => {
  it('default: an answer that can be gone on from', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, body({ instructions: 'Be kind' }))
    expect(json).toMatchObject({
      object: 'response',
      status: 'completed',
      error: null,
      output: [
        {
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Hello there.', annotations: [] }],
        },
      ],
      usage: { input_tokens: 24, output_tokens: 3, total_tokens: 27 },
    })
    const next = await api.ask(PATH, body({ input: 'And?', previous_response_id: json.id }))
    // Instructions are not carried over.
    expect(api.scripted.asked.at(-1)?.prompt).toBe('[user]Hi[assistant]Hello there.[user]And?>')
    const third = { input: 'So?', previous_response_id: next.json.id, store: false }
    const last = await api.ask(PATH, body(third))
    expect(api.scripted.asked.at(-1)?.prompt).toMatch(/\[user\]And\?\[assistant\]Hello there\./)
    expect((await api.ask(`${PATH}/${json.id}`)).json).toEqual(json)
    expect((await api.ask(`${PATH}/${last.json.id}`)).status).toBe(404)
    const gone = await api.ask(`${PATH}/${json.id}`, undefined, { method: 'DELETE' })
    expect(gone.json).toMatchObject({ deleted: true })
    expect((await api.ask(PATH, body({ previous_response_id: json.id }))).json.error).toMatchObject(
      {
        type: 'not_found_error',
        param: 'previous_response_id',
      },
    )
  })

  it('behaviour: events in their order, numbered', async () => {
    await using api = createTestApi({ script: { pieces: ['Hel', 'lo'] } })
    const events = await api.events(PATH, body({ stream: true }))
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()])
    expect(events.at(-1).response.output[0].content[0].text).toBe('Hello')
    expect(new Set(events.slice(3, 8).map(({ item_id }) => item_id)).size).toBe(1)
  })

  it('behaviour: calls of functions, and their answers', async () => {
    const call = '<tool_call>{"name": "a", "arguments": {"b": 1}}</tool_call>'
    await using api = createTestApi({ script: { pieces: ['Well. ', call] } })
    const tools = [{ type: 'function', name: 'a', parameters: { type: 'object' } }]
    const { json } = await api.ask(PATH, body({ tools }))
    expect(json.output).toMatchObject([
      { type: 'message' },
      { type: 'function_call', name: 'a', arguments: '{"b":1}', status: 'completed' },
    ])
    const input = [
      { type: 'function_call_output', call_id: json.output[1].call_id, output: 'four' },
    ]
    await api.ask(PATH, body({ input, previous_response_id: json.id }))
    expect(api.scripted.asked.at(-1)?.prompt).toMatch(/"b":1.*<tool_response>\nfour/s)
    const events = await api.events(PATH, body({ tools, stream: true }))
    expect(events.map(({ type }) => type)).toContain('response.function_call_arguments.done')
    expect(events.map(({ output_index }) => output_index ?? 0).at(-2)).toBe(1)
  })

  it('behaviour: an answer that was cut off says so', async () => {
    await using api = createTestApi()
    const { json } = await api.ask(PATH, body({ max_output_tokens: 1 }))
    expect(json).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    })
  })

  it.each([
    ['background', { background: true }],
    ['truncation', { truncation: 'auto' }],
    ['include', { include: ['message.output_text.logprobs'] }],
    ['conversation', { conversation: 'c' }],
    ['tools.0.type', { tools: [{ type: 'web_search' }] }],
    ['input.0.type', { input: [{ type: 'computer_call' }] }],
    ['input', { input: [] }],
  ])('behaviour: %s is refused by name', async (param, more) => {
    await using api = createTestApi()
    const { status, json } = await api.ask(PATH, body(more))
    expect(status).toBe(400)
    expect(json.error.param).toBe(param)
  })

  it('behaviour: a failure on the way is an event, and nothing is kept', async () => {
    await using api = createTestApi({
      script: {
        beforePiece: (index) => {
          if (index > 0) throw new EngineError({ what: 'the engine process died' })
        },
      },
    })
    const events = await api.events(PATH, body({ stream: true }))
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'engine' })
    expect((await api.ask(`${PATH}/${events[0].response.id}`)).status).toBe(404)
  })
})
