import { createMemoryStorage } from '@freehold/core/storage.memory'
import { signal } from '@preact/signals'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Answerer } from '../answering/answerer.ts'
import type { EngineLease } from '../answering/engine-lease.ts'
import { emptyChat } from './chat.fixture.ts'
import { addMessage, type Message } from './chat.ts'
import { type ChatBook, openChatBook } from './chat-book.ts'
import { createConversation } from './conversation.ts'

beforeEach(() => {
  vi.stubGlobal('addEventListener', () => {})
  vi.stubGlobal('localStorage', {})
})
afterEach(() => vi.unstubAllGlobals())

const answer: Message = {
  ...{ id: 'answer', parent: null, role: 'assistant', content: 'Once', state: 'writing' },
  ...{ createdMs: 1, attachments: [], error: null, note: null },
}

function conversationOn(book: ChatBook) {
  const lease: EngineLease = {
    take: async () => true,
    isHeld: async () => false,
    [Symbol.dispose]: () => {},
  }
  const answerer = {} as Answerer
  return createConversation({ book, answerer, lease, model: signal('acorn') })
}

it('behaviour: how another tab ended its answer is not overwritten, however late its word comes', async () => {
  const storage = createMemoryStorage()
  await using one = await openChatBook(storage)
  one.put(addMessage(emptyChat(), answer))
  await one.flush()
  await using two = await openChatBook(storage)
  const [id = ''] = two.chats.value.keys()
  one.change(id, (chat) => ({
    ...chat,
    messages: [{ ...answer, state: 'broken', error: 'taken over' }],
  }))
  await one.flush()
  expect(two.chats.value.get(id)?.messages).toMatchObject([{ state: 'writing' }])
  await conversationOn(two).endLeftOvers()
  expect(two.chats.value.get(id)?.messages).toMatchObject([
    { state: 'broken', error: 'taken over' },
  ])
})

it('default: an answer that no tab writes any more did break off', async () => {
  await using book = await openChatBook(createMemoryStorage())
  book.put(addMessage(emptyChat(), answer))
  await conversationOn(book).endLeftOvers()
  const [chat] = book.chats.value.values()
  expect(chat?.messages).toMatchObject([
    { state: 'broken', error: expect.stringContaining('closed') },
  ])
})
