import type { TemplateMessage } from '@freehold/core/device/text'
import { z } from 'zod'
import { UnsupportedError } from '../../serving/errors.ts'
import { HttpError } from '../errors.ts'

const contentSchema = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
])

const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal('function').optional(),
  function: z.object({ name: z.string(), arguments: z.string() }),
})

export const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: contentSchema.nullish(),
  name: z.string().nullish(),
  tool_calls: z.array(toolCallSchema).nullish(),
  tool_call_id: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  audio: z.null('it is not supported: the models read text').optional(),
  function_call: z.null('it is not supported: say it in tool_calls').optional(),
})

export type OpenaiMessage = z.output<typeof messageSchema>

/** Messages as chat templates know them. @throws HttpError, UnsupportedError naming the part */
export function templateMessages(messages: readonly OpenaiMessage[]): TemplateMessage[] {
  return messages.map((message, index) => {
    const at = `messages.${index}`
    const { role, tool_calls: calls, tool_call_id, name, reasoning_content } = message
    return {
      role: role === 'developer' ? 'system' : role,
      content: textOf(message.content, `${at}.content`),
      ...(name ? { name } : {}),
      ...(reasoning_content ? { reasoning_content } : {}),
      ...(tool_call_id ? { tool_call_id } : {}),
      ...(calls?.length ? { tool_calls: calls.map((call, i) => templateCall(call, at, i)) } : {}),
    }
  })
}

/** Text of a content; a part that is no text is refused by name. */
export function textOf(
  content: z.output<typeof contentSchema> | null | undefined,
  at: string,
): string {
  if (typeof content === 'string') return content
  return (content ?? [])
    .map((part, index) => {
      if (TEXT_PARTS.has(part.type) && part.text !== undefined) return part.text
      throw new UnsupportedError(`${at}.${index}.type`, {
        what: `a part of type ${part.type.slice(0, 40)} is not supported`,
        why: 'this device reads text alone',
      })
    })
    .join('')
}

const TEXT_PARTS = new Set(['text', 'input_text', 'output_text'])

function templateCall(call: z.output<typeof toolCallSchema>, at: string, index: number) {
  const { id, function: called } = call
  return {
    id,
    type: 'function',
    function: {
      name: called.name,
      arguments: jsonObject(called.arguments, `${at}.tool_calls.${index}.function.arguments`),
    },
  }
}

/** Arguments as templates want them. @throws HttpError */
export function jsonObject(text: string, param: string): object {
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text)
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw new HttpError({
    status: 400,
    param,
    code: 'invalid_value',
    what: `${param} is no JSON object`,
  })
}
