import { z } from 'zod'
import type { AnswerEnd, AnswerEvent } from '../../serving/answer.ts'
import { collect } from '../collect.ts'
import { anthropicError } from '../errors.ts'
import { type ApiParts, route } from '../route.ts'
import { SSE, sseEvent, streamResponse } from '../stream.ts'
import { answerInitOf, messagesSchema, promptFields, questionOf } from './fields.ts'

const REFUSED = {
  container: [],
  context_management: [],
  mcp_servers: [[]],
  output_config: [{}],
  speed: ['standard'],
}

export const messages = route({
  method: 'POST',
  path: '/v1/messages',
  about: 'An answer in the shape of Anthropic, whole or as a stream of events.',
  body: messagesSchema,
  refuses: {
    ...REFUSED,
    diagnostics: [],
    inference_geo: [],
    service_tier: ['auto', 'standard_only'],
  },
  async handle(request, parts) {
    const { body, asker } = request
    const id = `msg_${parts.newId()}`
    const events = parts.answer(answerInitOf(body, asker))
    if (body.stream) {
      return streamResponse(stream(events, { id, model: body.model }, parts), {
        contentType: SSE,
        onFailure: (problem) => sseEvent(anthropicError(problem, request.id) as { type: string }),
        ping: sseEvent({ type: 'ping' }),
        onCancel: request.hangUp,
      })
    }
    const { text, reasoning, calls, end } = await collect(events)
    parts.metrics.answer(body.model, end)
    return Response.json({
      ...head(id, body.model),
      content: [
        ...(reasoning === '' ? [] : [{ type: 'thinking', thinking: reasoning, signature: '' }]),
        ...(text === '' && calls.length > 0 ? [] : [{ type: 'text', text, citations: null }]),
        ...calls.map((call) => ({
          type: 'tool_use',
          id: call.id,
          name: call.name,
          input: JSON.parse(call.arguments) as unknown,
        })),
      ],
      ...stopOf(end),
      usage: usageOf(end.promptTokens, end),
    })
  },
})

export const countTokens = route({
  method: 'POST',
  path: '/v1/messages/count_tokens',
  about: 'How many tokens a conversation has in the model’s own template.',
  body: z.object(promptFields),
  refuses: REFUSED,
  async handle({ body, asker }, parts) {
    const question = questionOf(body)
    const events = parts.answer({ model: body.model, asker, question, sampling: {}, maxTokens: 1 })
    for await (const event of events) {
      if (event.kind === 'start') return Response.json({ input_tokens: event.promptTokens })
    }
    throw new Error('an answer without a start')
  },
})

async function* stream(
  events: AsyncGenerator<AnswerEvent, AnswerEnd>,
  { id, model }: { id: string; model: string },
  parts: ApiParts,
): AsyncGenerator<string> {
  let promptTokens = 0
  let hasBegun = false
  let index = -1
  let open: string | null = null
  const begin = function* () {
    if (hasBegun) return
    hasBegun = true
    const message = {
      ...head(id, model),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: usageOf(promptTokens),
    }
    yield sseEvent({ type: 'message_start', message })
  }
  const close = function* () {
    if (open !== null) yield sseEvent({ type: 'content_block_stop', index })
    open = null
  }
  const block = function* (kind: string, content_block: object) {
    if (open === kind && kind !== 'tool_use') return
    yield* close()
    open = kind
    index++
    yield sseEvent({ type: 'content_block_start', index, content_block })
  }
  const delta = (value: object) => sseEvent({ type: 'content_block_delta', index, delta: value })

  for (;;) {
    const step = await events.next()
    if (step.done) {
      parts.metrics.answer(model, step.value)
      yield* begin()
      yield* close()
      const usage = usageOf(step.value.promptTokens, step.value)
      yield sseEvent({ type: 'message_delta', delta: stopOf(step.value), usage })
      yield sseEvent({ type: 'message_stop' })
      return
    }
    const event = step.value
    if (event.kind === 'start') {
      promptTokens = event.promptTokens
      continue
    }
    yield* begin()
    if (event.kind === 'call') {
      const { id: callId, name, arguments: json } = event.call
      yield* block('tool_use', { type: 'tool_use', id: callId, name, input: {} })
      yield delta({ type: 'input_json_delta', partial_json: json })
    } else if (event.kind === 'reasoning') {
      yield* block('thinking', { type: 'thinking', thinking: '', signature: '' })
      yield delta({ type: 'thinking_delta', thinking: event.text })
    } else {
      yield* block('text', { type: 'text', text: '', citations: null })
      yield delta({ type: 'text_delta', text: event.text })
    }
  }
}

function head(id: string, model: string) {
  return { id, type: 'message', role: 'assistant', model }
}

function stopOf({ finish, stopText }: AnswerEnd) {
  const isSequence = finish === 'stop' && stopText !== null
  return {
    stop_reason: isSequence ? 'stop_sequence' : STOP_REASON[finish],
    stop_sequence: isSequence ? stopText : null,
  }
}

const STOP_REASON = { stop: 'end_turn', length: 'max_tokens', calls: 'tool_use' } as const

/** What was still there from an earlier text counts apart, as this interface wants it. */
function usageOf(promptTokens: number, end?: AnswerEnd) {
  const cached = end?.cachedTokens ?? 0
  return {
    input_tokens: promptTokens - cached,
    output_tokens: end?.tokens ?? 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
  }
}
