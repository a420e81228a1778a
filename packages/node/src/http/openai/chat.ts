import { z } from 'zod'
import type { AnswerEnd, AnswerEvent, AnswerInit, Logprobs } from '../../serving/answer.ts'
import { merge } from '../merge.ts'
import { type ApiParts, type ApiRequest, route } from '../route.ts'
import { beyondAudited, samplingFields, samplingOf } from '../sampling.ts'
import { sseData } from '../stream.ts'
import { collectAll, streamChunks } from './answers.ts'
import { formatOf, responseFormatSchema } from './format.ts'
import { messageSchema, templateMessages } from './messages.ts'
import { toolChoiceSchema, toolSchema, toolsOf } from './tools.ts'
import { receiptHeaders, usageOf } from './usage.ts'

const MAX_CHOICES = 8

const chatSchema = z
  .object({
    model: z.string().min(1),
    messages: z.array(messageSchema).min(1),
    max_completion_tokens: z.int().min(1).optional(),
    max_tokens: z.int().min(1).optional(),
    ...samplingFields,
    stop: z.union([z.string(), z.array(z.string()).max(16)]).optional(),
    n: z.int().min(1).max(MAX_CHOICES).optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(20).optional(),
    response_format: responseFormatSchema.optional(),
    tools: z.array(toolSchema).optional(),
    tool_choice: toolChoiceSchema.optional(),
    parallel_tool_calls: z.boolean().optional(),
    reasoning_effort: z
      .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
      .optional(),
    stream: z.boolean().optional(),
    stream_options: z.looseObject({ include_usage: z.boolean().optional() }).optional(),
  })
  .refine(({ logprobs, top_logprobs: top }) => top === undefined || logprobs, {
    path: ['top_logprobs'],
    message: 'it needs logprobs',
  })

type ChatBody = z.output<typeof chatSchema>

const FINISH = { stop: 'stop', length: 'length', calls: 'tool_calls' } as const

export const chatCompletions = route({
  method: 'POST',
  path: '/v1/chat/completions',
  about: 'An answer to a conversation, whole or as a stream of events.',
  body: chatSchema,
  refuses: {
    audio: [],
    function_call: [],
    functions: [[]],
    metadata: [{}],
    modalities: [['text']],
    moderation: [],
    prediction: [],
    prompt_cache_retention: [],
    service_tier: ['auto', 'default'],
    store: [false],
    verbosity: ['medium'],
    web_search_options: [],
  },
  async handle(request, parts) {
    const { body } = request
    const inits = initsOf(request)
    const head = {
      id: `chatcmpl-${parts.newId()}`,
      created: Math.floor(parts.nowMs() / 1_000),
      model: body.model,
      system_fingerprint: null,
    }
    const answers = inits.map((init) => parts.answer(init))
    if (body.stream) {
      return streamChunks(chunks(body, answers, head, parts), request)
    }
    const choices = await collectAll(answers, request)
    const ends = choices.map(({ end }) => end)
    for (const end of ends) parts.metrics.answer(body.model, end)
    const completion = {
      ...head,
      object: 'chat.completion',
      choices: choices.map(({ text, reasoning, calls, logprobs, end }, index) => ({
        index,
        finish_reason: FINISH[end.finish],
        logprobs: body.logprobs ? logprobsOf(logprobs) : null,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          refusal: null,
          ...(reasoning === '' ? {} : { reasoning_content: reasoning, reasoning }),
          ...(calls.length === 0 ? {} : { tool_calls: calls.map(toolCallOf) }),
        },
      })),
      usage: usageOf(ends),
    }
    return Response.json(completion, { headers: receiptHeaders(ends) })
  },
})

/** What to ask for, once for each choice. */
export function initsOf({ body, asker }: ApiRequest<ChatBody>): AnswerInit[] {
  const { n = 1, stop = [], reasoning_effort: effort, logprobs } = body
  const { tools, choice } = toolsOf(body.tools, body.tool_choice)
  const init: AnswerInit = {
    model: body.model,
    asker,
    question: {
      kind: 'chat',
      messages: templateMessages(body.messages),
      tools,
      choice,
      parallelCalls: body.parallel_tool_calls ?? true,
      think: effort && { level: effort, param: 'reasoning_effort' },
    },
    sampling: samplingOf(body),
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    stop: typeof stop === 'string' ? [stop] : stop,
    format: formatOf(body.response_format),
    topLogprobs: logprobs ? (body.top_logprobs ?? 0) : undefined,
    beyondAudited: beyondAudited(body, {
      n: n > 1,
      stop,
      logprobs,
      response_format: formatOf(body.response_format),
      tools,
      reasoning_effort: effort,
    }),
  }
  // Choices of one request differ, and still come again with the same seed.
  return Array.from({ length: n }, (_, index) => {
    const { seed } = init.sampling
    return seed === undefined
      ? init
      : { ...init, sampling: { ...init.sampling, seed: seed + index } }
  })
}

async function* chunks(
  body: ChatBody,
  answers: AsyncGenerator<AnswerEvent, AnswerEnd>[],
  head: object,
  parts: ApiParts,
): AsyncGenerator<string> {
  const withUsage = body.stream_options?.include_usage ?? false
  const chunk = (choices: object[], usage: object | null = null) =>
    sseData({
      ...head,
      object: 'chat.completion.chunk',
      choices,
      ...(withUsage ? { usage } : {}),
    })
  const choice = (index: number, delta: object, more: object = {}) =>
    chunk([{ index, delta, logprobs: null, finish_reason: null, ...more }])
  const begun = new Set<number>()
  const calls = new Map<number, number>()
  const ends: AnswerEnd[] = []
  for await (const { index, done, value } of merge(answers)) {
    if (!done && value.kind === 'start') continue
    if (!begun.has(index)) yield choice(index, { role: 'assistant', content: '', refusal: null })
    begun.add(index)
    if (done) {
      ends[index] = value
      parts.metrics.answer(body.model, value)
      yield choice(index, {}, { finish_reason: FINISH[value.finish] })
    } else if (value.kind === 'call') {
      const position = calls.get(index) ?? 0
      calls.set(index, position + 1)
      yield choice(index, { tool_calls: [{ index: position, ...toolCallOf(value.call) }] })
    } else if (value.kind === 'reasoning') {
      yield choice(index, { reasoning_content: value.text, reasoning: value.text })
    } else if (value.kind === 'text') {
      const logprobs = value.logprobs && { logprobs: logprobsOf(value.logprobs) }
      yield choice(index, { content: value.text }, logprobs ?? {})
    }
  }
  if (withUsage) yield chunk([], usageOf(ends))
  yield 'data: [DONE]\n\n'
}

function toolCallOf({
  id,
  name,
  arguments: args,
}: {
  id: string
  name: string
  arguments: string
}) {
  return { id, type: 'function', function: { name, arguments: args } }
}

export function logprobsOf(logprobs: Logprobs) {
  const one = ({ bytes, logprob }: { bytes: Uint8Array; logprob: number }) => ({
    token: new TextDecoder().decode(bytes),
    logprob,
    bytes: [...bytes],
  })
  const content = logprobs.map((token) => ({ ...one(token), top_logprobs: token.top.map(one) }))
  return { content, refusal: null }
}
