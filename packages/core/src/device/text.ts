import { Template } from '@huggingface/jinja'
import type { Model } from '../engine/engine.ts'
import { TemplateError } from '../errors.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** A message as chat templates know it: some have further roles, and calls of tools. */
export interface TemplateMessage {
  role: string
  content: string
  [more: string]: unknown
}

/**
 * The text of a conversation in the model's own chat template, ready for an answer.
 * @param more further variables of the template, such as its tools
 * @throws TemplateError when the template cannot be used for this conversation
 */
export function renderChat(
  { chatTemplate, bosText, eosText, name }: Model['info'],
  messages: readonly TemplateMessage[],
  more: Readonly<Record<string, unknown>> = {},
): string {
  try {
    return new Template(chatTemplate).render({
      ...more,
      messages: [...messages],
      add_generation_prompt: true,
      bos_token: bosText,
      eos_token: eosText,
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TemplateError({ what: `the chat template of ${name} cannot be used`, why, cause })
  }
}

/** Token ids of a conversation in the model's own chat template, ready for an answer. */
export async function promptIdsOf(
  model: Model,
  messages: readonly ChatMessage[],
): Promise<number[]> {
  const last = messages.at(-1)?.content ?? ''
  // A model without a template continues text.
  if (model.info.chatTemplate === '') return model.tokenize(last, { special: true })
  const said = messages.map(({ role, content }) => ({ role, content }))
  return model.tokenize(renderChat(model.info, said), { special: true })
}

/** Turns ids into text as they come, never showing half a character. */
export interface TextStream {
  /** @returns the text that is certain now */
  push(ids: readonly number[]): Promise<string>
  /** @returns what is left at the end */
  end(): Promise<string>
}

/** Ids of context that a tokenizer may need to get spaces right. */
const CONTEXT_IDS = 8
/** The context is cut once it is this long: each cut costs a call of its own. */
const MAX_CONTEXT_IDS = 64

export function createTextStream(model: Pick<Model, 'detokenize'>): TextStream {
  /** Shown already, kept as context, with its text; then the ids whose text is not certain yet. */
  let context: number[] = []
  let before = ''
  let pending: number[] = []
  const settle = async (whole: string) => {
    context = [...context, ...pending]
    before = whole
    pending = []
    if (context.length <= MAX_CONTEXT_IDS) return
    context = context.slice(-CONTEXT_IDS)
    before = await model.detokenize(context)
  }
  return {
    push: async (ids) => {
      pending.push(...ids)
      const whole = await model.detokenize([...context, ...pending])
      const text = whole.slice(before.length)
      if (text.endsWith('\uFFFD')) return ''
      await settle(whole)
      return text
    },
    end: async () => {
      if (pending.length === 0) return ''
      const whole = await model.detokenize([...context, ...pending])
      const text = whole.slice(before.length)
      await settle(whole)
      return text
    },
  }
}
