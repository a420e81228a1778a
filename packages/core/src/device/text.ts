import { Template } from '@huggingface/jinja'
import type { Model } from '../engine/engine.ts'
import { ModelError } from '../errors.ts'

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant'
  content: string
}

/** Token ids of a conversation in the model's own chat template, ready for an answer. */
export async function promptIdsOf(
  model: Model,
  messages: readonly ChatMessage[],
): Promise<number[]> {
  const { chatTemplate, bosText, eosText, name } = model.info
  const last = messages.at(-1)?.content ?? ''
  // A model without a template continues text.
  if (chatTemplate === '') return model.tokenize(last, { special: true })
  let text: string
  try {
    text = new Template(chatTemplate).render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: true,
      bos_token: bosText,
      eos_token: eosText,
    })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ModelError({ what: `the chat template of ${name} cannot be used`, why, cause })
  }
  return model.tokenize(text, { special: true })
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

export function createTextStream(model: Pick<Model, 'detokenize'>): TextStream {
  /** Shown already, kept as context; then the ids whose text is not certain yet. */
  let context: number[] = []
  let pending: number[] = []
  const diff = async (): Promise<string> => {
    const before = context.length === 0 ? '' : await model.detokenize(context)
    const whole = await model.detokenize([...context, ...pending])
    return whole.slice(before.length)
  }
  const settle = () => {
    context = [...context, ...pending].slice(-CONTEXT_IDS)
    pending = []
  }
  return {
    push: async (ids) => {
      pending.push(...ids)
      const text = await diff()
      if (text.endsWith('\uFFFD')) return ''
      settle()
      return text
    },
    end: async () => {
      const text = pending.length === 0 ? '' : await diff()
      settle()
      return text
    },
  }
}
