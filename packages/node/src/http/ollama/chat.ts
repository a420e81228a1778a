import type { TemplateMessage } from '@freehold/core/device/text'
import { z } from 'zod'
import { toolSchema, toolsOf } from '../openai/tools.ts'
import { route } from '../route.ts'
import { loadOrUnload, type OllamaPart, ollamaAnswer } from './answer.ts'
import { answerFields, answerInitOf, REFUSED, thinkOf } from './fields.ts'

const messageSchema = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string().optional(),
  thinking: z.string().optional(),
  images: z.array(z.unknown()).max(0, 'images are not supported: the models read text').nullish(),
  tool_name: z.string().optional(),
  tool_call_id: z.string().optional(),
  tool_calls: z
    .array(
      z.object({
        id: z.string().optional(),
        function: z.object({
          name: z.string(),
          arguments: z.record(z.string(), z.unknown()),
        }),
      }),
    )
    .nullish(),
})

export const chat = route({
  method: 'POST',
  path: '/api/chat',
  about:
    'An answer to a conversation, as lines of JSON unless `stream` is false. Without messages the model is loaded, or unloaded where `keep_alive` is 0.',
  body: z
    .object({
      ...answerFields,
      messages: z.array(messageSchema).optional(),
      tools: z.array(toolSchema).optional(),
    })
    .refine(({ logprobs, top_logprobs: top }) => top === undefined || logprobs, {
      path: ['top_logprobs'],
      message: 'it needs logprobs',
    }),
  refuses: REFUSED,
  async handle(request, parts) {
    const { body, asker } = request
    const init = { ...answerInitOf(body), asker }
    const messages = (body.messages ?? []).map(templateMessage)
    if (messages.length === 0) return loadOrUnload(init, put, parts)
    const { tools, choice } = toolsOf(body.tools)
    const beyondAudited = [...(init.beyondAudited ?? []), ...(tools.length > 0 ? ['tools'] : [])]
    return ollamaAnswer(
      request,
      {
        ...init,
        beyondAudited,
        question: {
          kind: 'chat',
          messages,
          tools,
          choice,
          parallelCalls: true,
          think: thinkOf(body.think),
        },
      },
      { stream: body.stream ?? true, put },
      parts,
    )
  },
})

function put({ content, thinking, calls }: OllamaPart): object {
  return {
    message: {
      role: 'assistant',
      content,
      ...(thinking === undefined ? {} : { thinking }),
      ...(calls === undefined
        ? {}
        : {
            tool_calls: calls.map(({ id, name, arguments: text }) => ({
              id,
              function: { name, arguments: JSON.parse(text) as unknown },
            })),
          }),
    },
  }
}

function templateMessage(message: z.output<typeof messageSchema>): TemplateMessage {
  const { role, content = '', thinking, tool_name: name, tool_call_id, tool_calls } = message
  return {
    role,
    content,
    ...(thinking ? { reasoning_content: thinking } : {}),
    ...(name ? { name } : {}),
    ...(tool_call_id ? { tool_call_id } : {}),
    ...(tool_calls?.length
      ? { tool_calls: tool_calls.map((call) => ({ type: 'function', ...call })) }
      : {}),
  }
}
