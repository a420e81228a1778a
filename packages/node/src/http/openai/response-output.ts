import type { AnswerEnd, AnswerEvent } from '../../serving/answer.ts'
import type { ToolCall } from '../../serving/tools.ts'

type Event = { type: string; [more: string]: unknown }

/** The output of a response as it grows: its items, and the events that tell of them. */
export interface ResponseOutput {
  push(event: Exclude<AnswerEvent, { kind: 'start' }>): Generator<Event>
  end(end: AnswerEnd): Generator<Event>
  items(): object[]
  text(): string
  calls(): ToolCall[]
}

type Kind = 'message' | 'reasoning'

/** How events of a part of text are called. */
const WORDS = {
  message: { item: 'msg', part: 'output_text', delta: 'response.output_text' },
  reasoning: { item: 'rs', part: 'reasoning_text', delta: 'response.reasoning_text' },
} as const

export function createResponseOutput(newId: () => string): ResponseOutput {
  const items: object[] = []
  const calls: ToolCall[] = []
  let said = ''
  let open: { kind: Kind; id: string; text: string } | null = null

  const output_index = () => items.length

  function partOf(kind: Kind, text: string): object {
    if (kind === 'reasoning') return { type: 'reasoning_text', text }
    return { type: 'output_text', text, annotations: [], logprobs: [] }
  }

  function itemOf({ kind, id, text }: NonNullable<typeof open>, status: string): object {
    const content = status === 'in_progress' ? [] : [partOf(kind, text)]
    return kind === 'message'
      ? { id, type: 'message', role: 'assistant', status, content }
      : { id, type: 'reasoning', summary: [], content, status }
  }

  function* begin(kind: Kind): Generator<Event> {
    if (open?.kind === kind) return
    yield* finish('completed')
    open = { kind, id: `${WORDS[kind].item}_${newId()}`, text: '' }
    const at = { output_index: output_index() }
    yield { type: 'response.output_item.added', ...at, item: itemOf(open, 'in_progress') }
    const part = partOf(kind, '')
    const item_id = open.id
    yield { type: 'response.content_part.added', item_id, ...at, content_index: 0, part }
  }

  function* finish(status: 'completed' | 'incomplete'): Generator<Event> {
    if (open === null) return
    const { kind, id: item_id, text } = open
    const at = { item_id, output_index: output_index(), content_index: 0 }
    const more = kind === 'message' ? { logprobs: [] } : {}
    yield { type: `${WORDS[kind].delta}.done`, ...at, text, ...more }
    yield { type: 'response.content_part.done', ...at, part: partOf(kind, text) }
    const item = itemOf(open, status)
    yield { type: 'response.output_item.done', output_index: at.output_index, item }
    items.push(item)
    open = null
  }

  function* call({ id, name, arguments: json }: ToolCall): Generator<Event> {
    yield* finish('completed')
    const item_id = `fc_${newId()}`
    const output = { output_index: output_index() }
    const item = { id: item_id, type: 'function_call', call_id: id, name }
    const empty = { ...item, arguments: '', status: 'in_progress' }
    yield { type: 'response.output_item.added', ...output, item: empty }
    const at = { item_id, ...output }
    yield { type: 'response.function_call_arguments.delta', ...at, delta: json }
    yield { type: 'response.function_call_arguments.done', ...at, name, arguments: json }
    const whole = { ...item, arguments: json, status: 'completed' }
    yield { type: 'response.output_item.done', ...output, item: whole }
    items.push(whole)
  }

  return {
    items: () => items,
    text: () => said,
    calls: () => calls,
    *push(event) {
      if (event.kind === 'call') {
        calls.push(event.call)
        yield* call(event.call)
        return
      }
      const kind = event.kind === 'text' ? 'message' : 'reasoning'
      yield* begin(kind)
      if (open === null) return
      open.text += event.text
      if (kind === 'message') said += event.text
      const at = { item_id: open.id, output_index: output_index(), content_index: 0 }
      const more = kind === 'message' ? { logprobs: [] } : {}
      yield { type: `${WORDS[kind].delta}.delta`, ...at, delta: event.text, ...more }
    },
    *end({ finish: how }) {
      // An answer without a word is one of no words.
      if (items.length === 0 && open === null) yield* begin('message')
      yield* finish(how === 'length' ? 'incomplete' : 'completed')
    },
  }
}
