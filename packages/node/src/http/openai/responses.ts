import type { TemplateMessage } from '@freehold/core/device/text'
import type { AnswerEnd, AnswerEvent } from '../../serving/answer.ts'
import type { ToolCall } from '../../serving/tools.ts'
import { openaiError, type Problem } from '../errors.ts'
import { type ApiParts, type ApiRequest, route } from '../route.ts'
import { SSE, sseEvent, streamResponse } from '../stream.ts'
import { createResponseOutput } from './response-output.ts'
import { responseStore } from './response-store.ts'
import {
  answerInitOf,
  inputMessages,
  type ResponsesBody,
  responsesSchema,
} from './responses-fields.ts'

export const responses = route({
  method: 'POST',
  path: '/v1/responses',
  about:
    'An answer that is kept on this device for 30 days unless `store` is false, so that `previous_response_id` can go on from it.',
  body: responsesSchema,
  refuses: {
    access_programs: [],
    background: [false],
    context_management: [],
    conversation: [],
    image: [],
    include: [[]],
    max_tool_calls: [],
    moderation: [],
    prompt: [],
    'text.verbosity': ['medium'],
    'reasoning.summary': ['auto'],
    prompt_cache_retention: [],
    service_tier: ['auto', 'default'],
    stream_options: [{}],
    top_logprobs: [0],
  },
  async handle(request, parts) {
    const { body, asker } = request
    const store = responseStore(parts.storage)
    const { previous_response_id: previous } = body
    const before =
      previous === undefined ? [] : (await store.get(previous, 'previous_response_id')).messages
    const events = parts.answer(answerInitOf(body, before, asker))
    const written = write(request, before, events, parts)
    if (body.stream) {
      const failed = (problem: Problem) =>
        sseEvent({
          type: 'error',
          ...(openaiError(problem, request.id) as object),
          code: problem.code,
          message: problem.message,
          param: problem.param,
        })
      return streamResponse(lines(written), {
        contentType: SSE,
        onFailure: failed,
        ping: ': ping\n\n',
        onCancel: request.hangUp,
      })
    }
    for (;;) {
      const step = await written.next()
      if (step.done) return Response.json(step.value)
    }
  },
})

export const getResponse = route({
  method: 'GET',
  path: '/v1/responses/:id',
  about: 'A response that was kept.',
  async handle({ context }, { storage }) {
    const { response } = await responseStore(storage).get(context.req.param('id') ?? '')
    return Response.json(response)
  },
})

export const deleteResponse = route({
  method: 'DELETE',
  path: '/v1/responses/:id',
  about: 'Forgets it.',
  async handle({ context }, { storage }) {
    const id = context.req.param('id') ?? ''
    await responseStore(storage).remove(id)
    return Response.json({ id, object: 'response', deleted: true })
  },
})

type Event = { type: string; [more: string]: unknown }

async function* lines(written: AsyncGenerator<Event, unknown>): AsyncGenerator<string> {
  let sequence_number = 0
  for await (const event of written)
    yield sseEvent({ ...event, sequence_number: sequence_number++ })
}

/** Puts an answer into events, keeps the whole, and returns it. */
async function* write(
  { body }: ApiRequest<ResponsesBody>,
  before: readonly TemplateMessage[],
  events: AsyncGenerator<AnswerEvent, AnswerEnd>,
  parts: ApiParts,
): AsyncGenerator<Event, object> {
  const created_at = Math.floor(parts.nowMs() / 1_000)
  const head = { ...headOf(body), id: `resp_${parts.newId()}`, created_at }
  const begun = { ...head, status: 'in_progress', output: [], usage: null }
  const output = createResponseOutput(parts.newId)
  let hasBegun = false
  const begin = function* (): Generator<Event> {
    if (hasBegun) return
    hasBegun = true
    yield { type: 'response.created', response: begun }
    yield { type: 'response.in_progress', response: begun }
  }
  for (;;) {
    const step = await events.next()
    if (!step.done) {
      if (step.value.kind === 'start') continue
      yield* begin()
      yield* output.push(step.value)
      continue
    }
    yield* begin()
    const end = step.value
    parts.metrics.answer(body.model, end)
    yield* output.end(end)
    const isCut = end.finish === 'length'
    const status = isCut ? 'incomplete' : 'completed'
    const response = {
      ...head,
      status,
      completed_at: isCut ? null : Math.floor(parts.nowMs() / 1_000),
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      output: output.items(),
      usage: usageOf(end),
    }
    if (head.store) {
      const said = [...before, ...inputMessages(body.input), assistantMessage(output)]
      await responseStore(parts.storage).keep({ response, messages: said })
    }
    yield { type: `response.${status}`, response }
    return response
  }
}

function assistantMessage(output: { text(): string; calls(): ToolCall[] }): TemplateMessage {
  const calls = output.calls().map(({ id, name, arguments: json }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.parse(json) as unknown },
  }))
  const more = calls.length > 0 ? { tool_calls: calls } : {}
  return { role: 'assistant', content: output.text(), ...more }
}

/** What a response repeats of its request. */
function headOf(body: ResponsesBody) {
  return {
    object: 'response',
    model: body.model,
    error: null,
    incomplete_details: null as object | null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: 'disabled',
  }
}

function usageOf({ promptTokens, cachedTokens, tokens }: AnswerEnd) {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + tokens,
  }
}
