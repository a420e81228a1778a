import type { Storage } from '@freehold/core/storage'
import { createMemoryStorage } from '@freehold/core/storage.memory'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { emptyChat } from './chat.fixture.ts'
import type { Chat } from './chat.ts'
import { type ChatBook, openChatBook } from './chat-book.ts'

const books: ChatBook[] = []
let page: EventTarget
let kept: Map<string, string>

beforeEach(() => {
  page = new EventTarget()
  kept = new Map()
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('localStorage', localStorageOf(kept))
})
afterEach(async () => {
  for (const book of books.splice(0)) await book[Symbol.asyncDispose]()
  vi.unstubAllGlobals()
})

/** As browsers have it: its keys are properties. */
function localStorageOf(rows: Map<string, string>): object {
  return new Proxy(
    {
      getItem: (key: string) => rows.get(key) ?? null,
      setItem: (key: string, value: string) => void rows.set(key, value),
      removeItem: (key: string) => void rows.delete(key),
    },
    {
      ownKeys: () => [...rows.keys()],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    },
  )
}

async function open(storage: Storage): Promise<ChatBook> {
  const book = await openChatBook(storage)
  books.push(book)
  return book
}

/** A disk that can be full. */
function fillable(): { storage: Storage; disk: { isFull: boolean } } {
  const storage = createMemoryStorage()
  const disk = { isFull: false }
  const guard = () => {
    if (disk.isFull) throw new DOMException('full', 'QuotaExceededError')
  }
  const table: Storage['table'] = (name) => {
    const rows = storage.table(name)
    return {
      ...rows,
      put: async (key: string, value: never) => {
        guard()
        await rows.put(key, value)
      },
    } as never
  }
  return { storage: { ...storage, table }, disk }
}

const titled = (title: string): Chat => ({ ...emptyChat(), title })

describe('chat book', () => {
  it('default: what was put, changed and removed is so for the next page', async () => {
    const storage = createMemoryStorage()
    const book = await open(storage)
    book.put(titled('one'))
    book.put({ ...emptyChat('other'), title: 'gone' })
    book.change('chat', (chat) => ({ ...chat, title: 'two' }))
    book.change('nobody', () => titled('never'))
    book.remove('other')
    expect([...book.chats.value.values()].map(({ title }) => title)).toEqual(['two'])
    await book.flush()
    const next = await open(storage)
    expect([...next.chats.value]).toEqual([['chat', titled('two')]])
    expect(kept.size).toBe(0)
  })

  it('behaviour: what a page had no time to write is there for the next one', async () => {
    const storage = createMemoryStorage()
    const book = await open(storage)
    book.put(titled('one'))
    await book.flush()
    book.change('chat', (chat) => ({ ...chat, title: 'half an answer' }), 'soon')
    page.dispatchEvent(new Event('pagehide'))
    expect([...kept.keys()]).toEqual(['freehold-unsaved:chat'])
    // As if the write had never come to its end.
    const next = await open(createMemoryStorage())
    expect(next.chats.value.get('chat')?.title).toBe('half an answer')
    await next.flush()
    expect(kept.size).toBe(0)
  })

  it('behaviour: a chat that was removed as the page went away stays removed', async () => {
    const storage = createMemoryStorage()
    await storage.table<Chat>('chats').put('chat', titled('one'))
    kept.set('freehold-unsaved:chat', 'null')
    const book = await open(storage)
    expect(book.chats.value.size).toBe(0)
    await book.flush()
    expect(await storage.table('chats').list()).toEqual([])
  })

  it('behaviour: another tab sees what was written, and keeps what it writes itself', async () => {
    const storage = createMemoryStorage()
    const [one, two] = [await open(storage), await open(storage)]
    one.put(titled('one'))
    await expect.poll(() => two.chats.value.get('chat')?.title).toBe('one')
    two.remove('chat')
    await expect.poll(() => one.chats.value.size).toBe(0)
  })

  it('behaviour: a look shows what another tab wrote, before its word of it comes', async () => {
    const storage = createMemoryStorage()
    const [one, two] = [await open(storage), await open(storage)]
    one.put(titled('one'))
    await one.flush()
    expect(two.chats.value.size).toBe(0)
    await two.look('chat')
    expect(two.chats.value.get('chat')?.title).toBe('one')
    // What it changed itself and has not written stays.
    two.put(titled('two'))
    await two.look('chat')
    expect(two.chats.value.get('chat')?.title).toBe('two')
  })

  it('behaviour: a full disk is told, loses nothing that is shown, and is over when there is room', async () => {
    const { storage, disk } = fillable()
    const book = await open(storage)
    disk.isFull = true
    book.put(titled('one'))
    await book.flush()
    expect(book.failure.value).toMatchObject({ name: 'QuotaExceededError' })
    expect(book.chats.value.get('chat')?.title).toBe('one')
    disk.isFull = false
    book.change('chat', (chat) => ({ ...chat, title: 'two' }))
    await book.flush()
    expect(book.failure.value).toBeNull()
    expect(await storage.table<Chat>('chats').get('chat')).toMatchObject({ title: 'two' })
  })
})
