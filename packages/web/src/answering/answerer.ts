import type { Ceilings } from '@freehold/core/clearing/budget'
import type { Completion } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { ModelSource } from '@freehold/core/device/parts'
import type { ChatMessage } from '@freehold/core/device/text'
import type { Kind } from '@freehold/core/routing/detect/finding'
import type { Scope } from '@freehold/core/wire/frames'
import type { AnswerNote, BorrowedNote } from '../chats/chat.ts'
import type { KeyRing } from '../member/key-ring.ts'
import type { MemberSettings } from '../member/member-settings.ts'

export const DEVICE_DATABASE = 'freehold-device'

/** How an answer is borrowed, as the person agreed to it. */
export interface BorrowInit {
  scope: Exclude<Scope, 'device'>
  /** SHA-256 of the model. */
  model: string
  /** Device key in hex; null: whoever is best, and others if that one breaks off. */
  lender: string | null
  /** Kinds of what may travel as it is. */
  send: readonly Kind[]
  ceilings: Ceilings | null
}

export interface AnswerInit {
  /** SHA-256 of the model. */
  model: string
  messages: readonly ChatMessage[]
  /** null: it is written here, and nothing leaves. */
  borrow: BorrowInit | null
  onText: (text: string) => void
  signal: AbortSignal
}

export interface Answered {
  note: AnswerNote
  /** Whether the answer ended only because it may be no longer. */
  isAtLimit: boolean
  /** Why a borrowed answer broke off; null: it did not. */
  error: Error | null
  /** What is known of a borrowed answer once it was audited and paid. */
  settled: Promise<BorrowedNote> | null
}

/** The device of this page, opened when it is first asked something. */
export interface Answerer {
  /** With keys while they are unlocked, else without. */
  device(): Promise<Device>
  /** @throws FreeholdError; the signal's reason when it was stopped */
  answer(init: AnswerInit): Promise<Answered>
  /** Gives the memory of models back; the next answer opens the device again. */
  close(): Promise<void>
}

export interface AnswererComponents {
  models: ModelSource
  keyRing: KeyRing
  settings: () => MemberSettings
  /** Lends what a device that was just opened has, if its owner wants that. Throws nothing. */
  lend: (device: Device) => Promise<AsyncDisposable | null>
}

export function createAnswerer(components: AnswererComponents): Answerer {
  let opened: Promise<Device> | null = null
  let lending: AsyncDisposable | null = null

  /** It lends before it meets anybody: whoever it connects to hears then that it does. */
  async function openToLend(): Promise<Device> {
    const device = await open(components)
    lending = await components.lend(device)
    return device
  }

  function device(): Promise<Device> {
    const opening = opened ?? openToLend()
    opened = opening
    opening.catch(() => {
      if (opened === opening) opened = null
    })
    return opening
  }

  return {
    device,
    async answer({ model, messages, borrow, onText, signal }) {
      const asked = { messages, onText, signal }
      const here = await device()
      if (borrow === null) {
        const completion = await here.complete({ ...asked, model, scope: 'device' })
        const isAtLimit = completion.finish === 'length'
        return { note: noteOf(completion), isAtLimit, error: null, settled: null }
      }
      const { scope, send, lender, ceilings } = borrow
      const completion = await here.complete({
        ...asked,
        ...{ model: borrow.model, scope, send, via: 'peer' },
        lender: lender ?? undefined,
        agree: ceilings === null ? undefined : async () => ceilings,
      })
      const { describeBorrowed } = await import('../member/describe-borrowed.ts')
      const describe = () => describeBorrowed(here, completion, scope)
      const borrowed = await describe()
      const settled = completion.settled.then(describe, describe)
      return {
        note: { ...noteOf(completion), borrowed: { ...borrowed, check: 'open' } },
        isAtLimit: completion.finish === 'length',
        error: completion.error,
        settled,
      }
    },
    async close() {
      const closing = opened
      opened = null
      const device = await closing?.catch(() => null)
      await lending?.[Symbol.asyncDispose]()
      lending = null
      await device?.[Symbol.asyncDispose]()
    },
  }
}

function noteOf({ ids, totalMs, model: { name, modelId } }: Completion): AnswerNote {
  return { model: name, modelId, tokens: ids.length, totalMs }
}

/** Only whoever asks something loads the device and llama.cpp. */
async function open({ models, keyRing, settings }: AnswererComponents): Promise<Device> {
  const { openDevice } = await import('../device/open-device.ts')
  const keys = keyRing.keys()
  const { chain, ceilings, friends, relays } = settings()
  return openDevice({
    ...{ database: DEVICE_DATABASE, models, ceilings, friends },
    ...{ phrase: keys?.phrase, deviceIndex: keys?.deviceIndex, dials: keys !== null },
    ...{ chain: chain ?? undefined, relays },
    readyAhead: true,
  })
}
