import type { Device } from '@freehold/core/device/device'
import type { ModelSource } from '@freehold/core/device/parts'
import type { ChatMessage } from '@freehold/core/device/text'
import type { AnswerNote } from '../chats/chat.ts'

const DATABASE = 'freehold-device'

export interface AnswerInit {
  /** SHA-256 of the model. */
  model: string
  messages: readonly ChatMessage[]
  onText: (text: string) => void
  signal: AbortSignal
}

export interface Answered {
  note: AnswerNote
  /** Whether the answer ended only because it may be no longer. */
  isAtLimit: boolean
}

/** The device of this page, opened when it is first asked something. */
export interface Answerer {
  /** @throws FreeholdError; the signal's reason when it was stopped */
  answer(init: AnswerInit): Promise<Answered>
  /** Gives the memory of models back; the next answer opens the device again. */
  close(): Promise<void>
}

export function createAnswerer({ models }: { models: ModelSource }): Answerer {
  let opened: Promise<Device> | null = null

  function device(): Promise<Device> {
    opened ??= open(models)
    opened.catch(() => {
      opened = null
    })
    return opened
  }

  return {
    async answer({ model, messages, onText, signal }) {
      const completion = await (await device()).complete({
        ...{ model, messages, onText, signal },
        scope: 'device',
      })
      const { ids, totalMs, finish } = completion
      const { name, modelId } = completion.model
      const note = { model: name, modelId, tokens: ids.length, totalMs }
      return { note, isAtLimit: finish === 'length' }
    },
    async close() {
      const closing = opened
      opened = null
      await (await closing?.catch(() => null))?.[Symbol.asyncDispose]()
    },
  }
}

/** Only whoever asks something loads the device and llama.cpp. */
async function open(models: ModelSource): Promise<Device> {
  const { openDevice } = await import('../device/open-device.ts')
  return openDevice({ database: DATABASE, models, dials: false })
}
