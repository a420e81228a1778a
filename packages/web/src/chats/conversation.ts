import type { ChatMessage } from '@freehold/core/device/text'
import { FreeholdError } from '@freehold/core/errors'
import { type ReadonlySignal, signal } from '@preact/signals'
import type { Answerer, BorrowInit } from '../answering/answerer.ts'
import type { EngineLease } from '../answering/engine-lease.ts'
import { say } from '../words/words.ts'
import {
  type Attachment,
  addMessage,
  branchOf,
  type Chat,
  changeMessage,
  type Message,
  pathTo,
  wordsOf,
} from './chat.ts'
import type { ChatBook } from './chat-book.ts'

/** What this tab is writing now. */
export interface Writing {
  chat: string
  message: string
  /** null: this device writes it. */
  borrow: BorrowInit | null
}

export interface Said {
  text: string
  attachments: readonly Attachment[]
}

/** What a person does with a chat. */
export interface Conversation {
  /** null: this tab writes nothing. */
  readonly writing: ReadonlySignal<Writing | null>
  /** An answer that waits because another tab is writing; null: none does. */
  readonly held: ReadonlySignal<Writing | null>
  /** Says something in a chat, or in a new one. @returns the chat's id */
  say(chat: string | null, said: Said, system: string, borrow: BorrowInit | null): string
  /** Says something else in place of a message: a branch of its own. */
  edit(chat: string, message: Message, text: string, borrow: BorrowInit | null): void
  /** Asks for another answer in place of one: a branch of its own. */
  regenerate(chat: string, answer: Message, borrow: BorrowInit | null): void
  /** Keeps what was written so far. */
  stop(): void
  /** Takes the model from the tab that has it. */
  takeOver(): void
  /** Ends what is being written, because another tab takes over. */
  handOver(): Promise<void>
  /** Answers that no tab is writing any more did break off. */
  endLeftOvers(): Promise<void>
}

export interface ConversationComponents {
  book: ChatBook
  answerer: Answerer
  lease: EngineLease
  model: ReadonlySignal<string>
}

export function createConversation(components: ConversationComponents): Conversation {
  const { book, answerer, lease, model } = components
  const writing = signal<Writing | null>(null)
  const held = signal<Writing | null>(null)
  let stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()

  function answerAfter(chat: string, question: string, borrow: BorrowInit | null): void {
    const answer = messageOf({ parent: question, role: 'assistant', content: '', state: 'writing' })
    book.change(chat, (now) => addMessage(now, answer))
    running = write({ chat, message: answer.id, borrow })
  }

  async function write(what: Writing, by?: 'force'): Promise<void> {
    const { chat, message, borrow } = what
    const stop = new AbortController()
    stopping = stop
    writing.value = what
    held.value = null
    const set = (change: Partial<Message>, soon?: 'soon') =>
      book.change(chat, (now) => changeMessage(now, message, change), soon)
    let text = ''
    try {
      if (!(await lease.take(by))) {
        held.value = what
        return
      }
      await endLeftOvers(what)
      const { note, isAtLimit, error, settled } = await answerer.answer({
        model: model.value,
        messages: messagesFor(book.chats.value.get(chat), message),
        borrow,
        signal: stop.signal,
        onText: (part) => {
          text += part
          set({ content: text }, 'soon')
        },
      })
      settled?.then(
        (borrowed) => set({ note: { ...note, borrowed } }),
        // What was not seen to its end is looked up again when its mark is opened.
        () => {},
      )
      set({ note })
      if (error !== null) throw error
      set({ state: 'done', error: isAtLimit ? say('atLimit') : null })
    } catch (error) {
      if (!stop.signal.aborted) set({ state: 'broken', error: sentenceOf(error) })
      else if (stop.signal.reason === TAKEN) set({ state: 'broken', error: say('tookOver') })
      else set({ state: 'stopped' })
    } finally {
      writing.value = null
    }
  }

  async function endLeftOvers(except?: Writing): Promise<void> {
    if (except === undefined && (await lease.isHeld())) return
    const leftOver = (chat: string) =>
      (book.chats.value.get(chat)?.messages ?? []).filter(
        ({ id, state }) =>
          state === 'writing' && id !== except?.message && id !== writing.value?.message,
      )
    for (const chat of book.chats.value.keys()) {
      if (leftOver(chat).length === 0) continue
      // The tab that wrote it may have said a moment ago how it ended.
      await book.look(chat)
      for (const { id } of leftOver(chat)) {
        const error = say('pageClosed')
        book.change(chat, (now) => changeMessage(now, id, { state: 'broken', error }))
      }
    }
  }

  return {
    writing,
    held,
    endLeftOvers,
    say: (id, { text, attachments }, system, borrow) => {
      const chat = (id === null ? undefined : book.chats.value.get(id)) ?? newChat(system)
      const question = {
        ...messageOf({ parent: chat.leaf, role: 'user', content: text, state: null }),
        attachments,
      }
      book.put(addMessage(chat, question))
      answerAfter(chat.id, question.id, borrow)
      return chat.id
    },
    edit: (chat, { parent, attachments }, text, borrow) => {
      const question = {
        ...messageOf({ parent, role: 'user', content: text, state: null }),
        attachments,
      }
      book.change(chat, (now) => addMessage(now, question))
      answerAfter(chat, question.id, borrow)
    },
    regenerate: (chat, { parent }, borrow) => {
      if (parent !== null) answerAfter(chat, parent, borrow)
    },
    stop: () => {
      const waiting = held.value
      held.value = null
      if (waiting === null) stopping.abort()
      else {
        const { chat, message } = waiting
        book.change(chat, (now) => changeMessage(now, message, { state: 'stopped' }))
      }
    },
    takeOver: () => {
      if (held.value !== null) running = write(held.value, 'force')
    },
    handOver: async () => {
      stopping.abort(TAKEN)
      await running
      await book.flush()
    },
  }
}

/** Why a tab stops that another one takes the model from. */
const TAKEN = new DOMException('another tab took the model over', 'AbortError')

function newChat(system: string): Chat {
  const nowMs = Date.now()
  return {
    id: crypto.randomUUID(),
    ...{ title: '', createdMs: nowMs, changedMs: nowMs, system, messages: [], leaf: null },
  }
}

function messageOf(init: Pick<Message, 'parent' | 'role' | 'content' | 'state'>): Message {
  const base = { id: crypto.randomUUID(), createdMs: Date.now() }
  return { ...base, ...init, attachments: [], error: null, note: null }
}

/** What the model is told before it answers: the branch as it was, without what is to come. */
function messagesFor(chat: Chat | undefined, answer: string): ChatMessage[] {
  if (chat === undefined) return []
  return toldOf(chat.system, pathTo(chat, answer).slice(0, -1))
}

/** A branch as a model is told it. */
export function toldOf(
  system: string,
  said: readonly Pick<Message, 'role' | 'content' | 'attachments'>[],
): ChatMessage[] {
  const messages = said.map((message) => ({ role: message.role, content: wordsOf(message) }))
  return system.trim() === ''
    ? messages
    : [{ role: 'system' as const, content: system }, ...messages]
}

/** An error in words for the person; without advice that only a command line can take. */
export function sentenceOf(error: unknown): string {
  if (error instanceof FreeholdError && /freehold |--[a-z]/.test(error.next ?? '')) {
    return error.why === undefined ? error.what : `${error.what}: ${error.why}`
  }
  return error instanceof Error ? error.message : String(error)
}

/** The last question of the branch that is shown. */
export function lastQuestion(chat: Chat | undefined): Message | undefined {
  return chat && branchOf(chat).findLast(({ role }) => role === 'user')
}
