import type { Storage } from '@freehold/core/storage'
import { type ReadonlySignal, signal } from '@preact/signals'
import type { Chat } from './chat.ts'

/** While an answer streams it is written this often; a page that is closed keeps the rest aside. */
const SAVE_MS = 250
const CHANNEL = 'freehold-chats'
const ASIDE = 'freehold-unsaved:'

/** All chats, in memory and on disk. Tabs of one browser see each other's. */
export interface ChatBook extends AsyncDisposable {
  readonly chats: ReadonlySignal<ReadonlyMap<string, Chat>>
  /** Why the last write failed; null: it did not. */
  readonly failure: ReadonlySignal<unknown>
  /** Shown at once, written as soon as the disk allows. */
  put(chat: Chat): void
  /** Changes a chat, if it is still there. @param soon whether a moment may pass before it is written */
  change(id: string, change: (chat: Chat) => Chat, soon?: 'soon'): void
  remove(id: string): void
  /** Takes a chat as other tabs left it, unless this one changed it since. */
  look(id: string): Promise<void>
  /** Resolves when everything so far is on disk, or failed to get there. */
  flush(): Promise<void>
}

export async function openChatBook(storage: Storage): Promise<ChatBook> {
  const table = storage.table<Chat>('chats')
  const chats = signal<ReadonlyMap<string, Chat>>(new Map(await table.list()))
  const failure = signal<unknown>(null)
  /** What is shown of these is not on disk yet. */
  const dirty = new Set<string>()
  const channel = new BroadcastChannel(CHANNEL)
  const closing = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let writing: Promise<void> = Promise.resolve()

  function show(id: string, chat: Chat | undefined): void {
    const next = new Map(chats.value)
    if (chat === undefined) next.delete(id)
    else next.set(id, chat)
    chats.value = next
  }

  async function write(): Promise<void> {
    for (const id of [...dirty]) {
      const chat = chats.value.get(id)
      try {
        if (chat === undefined) await table.update(id, () => undefined)
        else await table.put(id, chat)
        failure.value = null
        channel.postMessage(id)
        // What was changed meanwhile is written next.
        if (chats.value.get(id) !== chat) continue
        dirty.delete(id)
        forget(id)
      } catch (error) {
        failure.value = error
      }
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    writing = writing.then(write)
    return writing
  }

  /** What is not on disk yet is put where it takes no time; the next page finds it. */
  function putAside(): void {
    for (const id of dirty) {
      try {
        localStorage.setItem(ASIDE + id, JSON.stringify(chats.value.get(id) ?? null))
      } catch {
        // No room: what was written last stays.
      }
    }
    if (dirty.size > 0) void flush()
  }

  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(ASIDE)) continue
    const id = key.slice(ASIDE.length)
    show(id, (JSON.parse(localStorage.getItem(key) ?? 'null') as Chat | null) ?? undefined)
    dirty.add(id)
  }
  void flush()

  async function look(id: string): Promise<void> {
    const found = await table.get(id)
    if (!dirty.has(id)) show(id, found)
  }

  channel.onmessage = ({ data }: MessageEvent<string>) => look(data)
  addEventListener('pagehide', putAside, { signal: closing.signal })

  return {
    chats,
    failure,
    look,
    flush,
    put: (chat) => {
      show(chat.id, chat)
      dirty.add(chat.id)
      void flush()
    },
    change: (id, change, soon) => {
      const chat = chats.value.get(id)
      if (chat === undefined) return
      show(id, change(chat))
      dirty.add(id)
      if (soon === undefined) void flush()
      else timer ??= setTimeout(() => void flush(), SAVE_MS)
    },
    remove: (id) => {
      show(id, undefined)
      dirty.add(id)
      void flush()
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await flush()
      channel.close()
    },
  }
}

function forget(id: string): void {
  localStorage.removeItem(ASIDE + id)
}
