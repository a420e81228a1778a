import type { TemplateMessage } from '@freehold/core/device/text'
import { z } from 'zod'
import type { AnswerInit, Asker } from '../../serving/answer.ts'
import { UnsupportedError } from '../../serving/errors.ts'
import type { TextFormat } from '../../serving/generation.ts'
import { beyondAudited, samplingFields, samplingOf } from '../sampling.ts'
import { jsonObject, textOf } from './messages.ts'
import { toolsOf } from './tools.ts'

const contentSchema = z.union([
  z.string(),
  z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
])

const itemSchema = z.looseObject({
  type: z.string().optional(),
  role: z.enum(['system', 'developer', 'user', 'assistant']).optional(),
  content: contentSchema.nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  output: contentSchema.optional(),
})

type Item = z.output<typeof itemSchema>

const schema = z.record(z.string(), z.unknown())

const toolSchema = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  description: z.string().nullish(),
  parameters: schema.nullish(),
  strict: z.boolean().nullish(),
})

const choiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.object({ type: z.literal('function'), name: z.string() }),
  z.object({
    type: z.literal('allowed_tools'),
    mode: z.enum(['auto', 'required']),
    tools: z.array(z.looseObject({ name: z.string().optional() })),
  }),
])

export const responsesSchema = z.object({
  model: z.string().min(1),
  input: z.union([z.string().min(1), z.array(itemSchema).min(1)]),
  instructions: z.string().optional(),
  max_output_tokens: z.int().min(1).optional(),
  temperature: samplingFields.temperature,
  top_p: samplingFields.top_p,
  tools: z.array(toolSchema).optional(),
  tool_choice: choiceSchema.optional(),
  parallel_tool_calls: z.boolean().optional(),
  text: z
    .looseObject({
      format: z
        .discriminatedUnion('type', [
          z.object({ type: z.literal('text') }),
          z.object({ type: z.literal('json_object') }),
          z.object({ type: z.literal('json_schema'), schema, name: z.string().optional() }),
        ])
        .optional(),
    })
    .optional(),
  reasoning: z.looseObject({ effort: z.string().nullish() }).optional(),
  previous_response_id: z.string().optional(),
  /** Whether it is kept, so that it can be gone on from. @default true */
  store: z.boolean().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  stream: z.boolean().optional(),
  truncation: z.literal('disabled', 'nothing is ever cut off: truncation is disabled').optional(),
})

export type ResponsesBody = z.output<typeof responsesSchema>

/** What the conversation was so far, and what this request asks. */
export function answerInitOf(
  body: ResponsesBody,
  before: readonly TemplateMessage[],
  asker: Asker,
): AnswerInit {
  const { instructions, reasoning } = body
  const effort = reasoning?.effort
  const format = formatOf(body)
  const first = instructions === undefined ? [] : [{ role: 'system', content: instructions }]
  return {
    model: body.model,
    asker,
    question: {
      kind: 'chat',
      messages: [...first, ...before, ...inputMessages(body.input)],
      ...toolsOf(
        (body.tools ?? []).map(({ type, name, ...fn }) => ({
          type,
          function: name === undefined ? undefined : { name, ...fn },
        })),
        choiceOf(body.tool_choice),
      ),
      parallelCalls: body.parallel_tool_calls ?? true,
      think: effort ? { level: effort, param: 'reasoning' } : undefined,
    },
    sampling: samplingOf(body),
    maxTokens: body.max_output_tokens,
    format,
    beyondAudited: beyondAudited(body, {
      'text.format': format,
      tools: body.tools,
      reasoning: effort,
    }),
  }
}

function choiceOf(choice: ResponsesBody['tool_choice']) {
  if (choice === undefined || typeof choice === 'string') return choice
  if (choice.type === 'function') {
    return { type: 'function' as const, function: { name: choice.name } }
  }
  const tools = choice.tools.map(({ name = '' }) => ({ function: { name } }))
  return { type: 'allowed_tools' as const, allowed_tools: { mode: choice.mode, tools } }
}

function formatOf({ text }: ResponsesBody): TextFormat | undefined {
  const format = text?.format
  if (format === undefined || format.type === 'text') return undefined
  return format.type === 'json_object'
    ? { kind: 'json' }
    : { kind: 'schema', schema: format.schema }
}

/** The input as messages of a chat template. @throws UnsupportedError naming the item */
export function inputMessages(input: ResponsesBody['input']): TemplateMessage[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }]
  return input.flatMap((item, index) => itemMessages(item, `input.${index}`))
}

function itemMessages(item: Item, at: string): TemplateMessage[] {
  const { type = 'message', role } = item
  if (type === 'message' && role !== undefined) {
    const content = textOf(item.content, `${at}.content`)
    return [{ role: role === 'developer' ? 'system' : role, content }]
  }
  if (type === 'function_call') {
    const args = jsonObject(item.arguments ?? '', `${at}.arguments`)
    const call = {
      id: item.call_id,
      type: 'function',
      function: { name: item.name, arguments: args },
    }
    return [{ role: 'assistant', content: '', tool_calls: [call] }]
  }
  if (type === 'function_call_output') {
    const content = textOf(item.output, `${at}.output`)
    return [{ role: 'tool', content, tool_call_id: item.call_id }]
  }
  // What a model thought before is nothing that its templates want to see again.
  if (type === 'reasoning') return []
  throw new UnsupportedError(`${at}.type`, {
    what: `${at}: an item of type ${type.slice(0, 40)} is not supported`,
  })
}
