import type { TemplateMessage } from '@freehold/core/device/text'
import { z } from 'zod'
import type { AnswerInit, Asker, Question } from '../../serving/answer.ts'
import { UnsupportedError } from '../../serving/errors.ts'
import type { ToolChoice, ToolSpec } from '../../serving/tools.ts'
import { beyondAudited, samplingFields, samplingOf } from '../sampling.ts'

const blockSchema = z.looseObject({ type: z.string() })
type Block = z.output<typeof blockSchema>

const contentSchema = z.union([z.string(), z.array(blockSchema)])

const toolSchema = z.looseObject({
  type: z.string().nullish(),
  name: z.string().min(1).max(64),
  description: z.string().nullish(),
  input_schema: z.record(z.string(), z.unknown()).optional(),
  strict: z.boolean().nullish(),
})

const { temperature: _, ...rest } = samplingFields

/** What counting and answering share. */
export const promptFields = {
  model: z.string().min(1),
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant', 'system']), content: contentSchema }))
    .min(1),
  system: contentSchema.optional(),
  tools: z.array(toolSchema).optional(),
  tool_choice: z
    .object({
      type: z.enum(['auto', 'any', 'tool', 'none']),
      name: z.string().optional(),
      disable_parallel_tool_use: z.boolean().optional(),
    })
    .optional(),
  thinking: z.looseObject({ type: z.enum(['enabled', 'disabled', 'adaptive']) }).optional(),
}

export const messagesSchema = z.object({
  ...promptFields,
  max_tokens: z.int().min(1),
  temperature: z.number().min(0).max(1).optional(),
  top_p: rest.top_p,
  top_k: rest.top_k,
  stop_sequences: z.array(z.string()).max(16).optional(),
  stream: z.boolean().optional(),
})

const promptSchema = z.object(promptFields)

export function answerInitOf(body: z.output<typeof messagesSchema>, asker: Asker): AnswerInit {
  const { stop_sequences: stop = [], tools } = body
  return {
    model: body.model,
    asker,
    question: questionOf(body),
    sampling: samplingOf(body),
    maxTokens: body.max_tokens,
    stop,
    beyondAudited: beyondAudited(body, {
      stop_sequences: stop,
      tools,
      thinking: body.thinking?.type === 'enabled',
    }),
  }
}

/** The conversation as chat templates know it. @throws UnsupportedError naming the block */
export function questionOf(body: z.output<typeof promptSchema>): Question {
  const { system, tool_choice: choice, thinking } = body
  const first =
    system === undefined ? [] : [{ role: 'system', content: textOf(blocks(system), 'system') }]
  const isOn = thinking?.type === 'enabled'
  return {
    kind: 'chat',
    messages: [
      ...first,
      ...body.messages.flatMap(({ role, content }, index) =>
        templateMessages(role, blocks(content), `messages.${index}.content`),
      ),
    ],
    tools: (body.tools ?? []).map(toolOf),
    choice: choiceOf(choice),
    parallelCalls: !choice?.disable_parallel_tool_use,
    // `adaptive` leaves it to the model.
    think:
      thinking === undefined || thinking.type === 'adaptive'
        ? undefined
        : { level: isOn ? 'medium' : 'none', param: 'thinking' },
  }
}

function blocks(content: z.output<typeof contentSchema>): Block[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** One message for text and calls of tools, one for each answer of a tool. */
function templateMessages(role: string, all: readonly Block[], at: string): TemplateMessage[] {
  const results = all.filter(({ type }) => type === 'tool_result')
  const calls = all.filter(({ type }) => type === 'tool_use')
  const thoughts = all.filter(({ type }) => type === 'thinking').map((block) => block.thinking)
  const said = all.filter(({ type }) => !OTHER_BLOCKS.has(type))
  const answers = results.map((block) => ({
    role: 'tool',
    content: textOf(blocks((block.content ?? '') as string | Block[]), at),
    tool_call_id: block.tool_use_id,
  }))
  if (said.length === 0 && calls.length === 0) return answers
  const message = {
    role,
    content: textOf(said, at),
    ...(thoughts.length > 0 ? { reasoning_content: thoughts.join('') } : {}),
    ...(calls.length > 0 ? { tool_calls: calls.map(templateCall) } : {}),
  }
  return [...answers, message]
}

const OTHER_BLOCKS = new Set(['tool_result', 'tool_use', 'thinking', 'redacted_thinking'])

function templateCall({ id, name, input }: Block) {
  return { id, type: 'function', function: { name, arguments: input ?? {} } }
}

function textOf(all: readonly Block[], at: string): string {
  return all
    .map(({ type, text }) => {
      if (type === 'text' && typeof text === 'string') return text
      throw new UnsupportedError(at, {
        what: `${at}: a block of type ${type.slice(0, 40)} is not supported`,
        why: 'this device reads text alone',
      })
    })
    .join('')
}

function toolOf({ type, name, description, ...tool }: z.output<typeof toolSchema>): ToolSpec {
  if ((type ?? 'custom') !== 'custom') {
    throw new UnsupportedError('tools', {
      what: `a tool of type ${String(type).slice(0, 40)} is not supported`,
      next: 'Describe a tool with input_schema',
    })
  }
  const parameters = tool.input_schema ?? { type: 'object', properties: {} }
  const isStrict = tool.strict ?? false
  return { name, description: description ?? undefined, parameters, isStrict }
}

function choiceOf(choice: z.output<typeof promptFields.tool_choice>): ToolChoice {
  if (choice === undefined || choice.type === 'auto') return { kind: 'auto' }
  if (choice.type === 'none') return { kind: 'none' }
  if (choice.type === 'any') return { kind: 'required' }
  return { kind: 'named', name: choice.name ?? '' }
}
