import type { TemplateMessage } from '@freehold/core/device/text'
import { UsageError } from '@freehold/core/errors'

/** A function that a model may ask to be called. */
export interface ToolSpec {
  name: string
  description?: string | undefined
  /** JSON schema of its arguments. */
  parameters: Readonly<Record<string, unknown>>
  /** Whether its arguments must be as `parameters` say, also where the model may choose. */
  isStrict?: boolean | undefined
}

export interface ToolCall {
  id: string
  name: string
  /** JSON text. */
  arguments: string
}

/** What the model must or may do with its tools. */
export type ToolChoice =
  | { kind: 'none' }
  | { kind: 'auto' }
  | { kind: 'required' }
  | { kind: 'named'; name: string }

/** How calls are written: Hermes's way, which Qwen and many others share. */
export const CALL_OPEN = '<tool_call>'
export const CALL_CLOSE = '</tool_call>'

/** Whether a chat template offers tools itself, in the way that we can read. */
export function hasOwnTools(chatTemplate: string): boolean {
  return /\btools\b/.test(chatTemplate) && chatTemplate.includes(CALL_OPEN)
}

/** Tools as templates know them. */
export function templateTools(tools: readonly ToolSpec[]): object[] {
  return tools.map(({ name, description = '', parameters }) => ({
    type: 'function',
    function: { name, description, parameters },
  }))
}

/** What a model is told whose template has no tools of its own. */
export function toolsPrompt(tools: readonly ToolSpec[]): string {
  const list = templateTools(tools).map((tool) => JSON.stringify(tool))
  return [
    'You may call these functions:',
    '<tools>',
    ...list,
    '</tools>',
    'To call one, write its name and arguments as JSON, and nothing else:',
    `${CALL_OPEN}\n{"name": "…", "arguments": {…}}\n${CALL_CLOSE}`,
  ].join('\n')
}

/**
 * The same conversation for a template that knows neither tools nor their answers: calls become text of
 * the assistant, answers become messages of the user.
 */
export function withoutToolRoles(
  messages: readonly TemplateMessage[],
  tools: readonly ToolSpec[],
): TemplateMessage[] {
  const plain = messages.map(({ role, content, tool_calls: calls }): TemplateMessage => {
    if (role === 'tool') {
      return { role: 'user', content: `<tool_response>\n${content}\n</tool_response>` }
    }
    const texts = Array.isArray(calls) ? calls.map(callText) : []
    return { role, content: [content, ...texts].filter((text) => text !== '').join('\n') }
  })
  if (tools.length === 0) return plain
  const [first, ...rest] = plain
  const prompt = toolsPrompt(tools)
  if (first?.role !== 'system') return [{ role: 'system', content: prompt }, ...plain]
  return [{ role: 'system', content: `${first.content}\n\n${prompt}` }, ...rest]
}

function callText(call: { function: { name: string; arguments: unknown } }): string {
  const { name, arguments: args } = call.function
  return `${CALL_OPEN}\n${JSON.stringify({ name, arguments: args })}\n${CALL_CLOSE}`
}

/** JSON schema of a call of one of `tools`, for an answer that must be one. */
export function callSchema(tools: readonly ToolSpec[]): object {
  const each = tools.map(({ name, parameters }) => ({
    type: 'object',
    properties: { name: { const: name }, arguments: parameters },
    required: ['name', 'arguments'],
    additionalProperties: false,
  }))
  return each.length === 1 ? (each[0] as object) : { anyOf: each }
}

/** Reads one call as a model wrote it; null when it is none of `tools`, or no JSON. */
export function readCall(text: string, tools: readonly ToolSpec[], id: string): ToolCall | null {
  try {
    const call: unknown = JSON.parse(text)
    if (typeof call !== 'object' || call === null) return null
    const { name, arguments: args } = call as Record<string, unknown>
    if (typeof name !== 'string' || !tools.some((tool) => tool.name === name)) return null
    const isObject = typeof args === 'object' && args !== null && !Array.isArray(args)
    return isObject || args === undefined
      ? { id, name, arguments: JSON.stringify(args ?? {}) }
      : null
  } catch {
    return null
  }
}

/** The tools that a choice leaves. @throws UsageError when it names one that is not there */
export function chosenTools(tools: readonly ToolSpec[], choice: ToolChoice): readonly ToolSpec[] {
  if (choice.kind === 'none') return []
  if (choice.kind === 'auto') return tools
  const left = choice.kind === 'named' ? tools.filter(({ name }) => name === choice.name) : tools
  if (left.length > 0) return left
  throw new UsageError({
    what:
      choice.kind === 'named'
        ? `tool_choice names ${choice.name}, which is none of the tools`
        : 'tool_choice asks for a call, and there are no tools',
  })
}
