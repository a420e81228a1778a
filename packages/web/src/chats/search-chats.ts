import type { Chat } from './chat.ts'

const SNIPPET_CHARACTERS = 80

export interface Found {
  chat: Chat
  /** Words around the place; empty where only the title matches. */
  snippet: string
}

/** Chats that hold every word of the query, in title or messages, latest first. */
export function searchChats(chats: readonly Chat[], query: string): Found[] {
  const words = fold(query).split(/\s+/).filter(Boolean)
  const latest = [...chats].sort((a, b) => b.changedMs - a.changedMs)
  return latest.flatMap((chat) => {
    const texts = chat.messages.map(({ content }) => content)
    const whole = fold([chat.title, ...texts].join('\n'))
    if (!words.every((word) => whole.includes(word))) return []
    const [first = ''] = words
    const text = first === '' ? undefined : texts.find((part) => fold(part).includes(first))
    return [{ chat, snippet: text === undefined ? '' : snippetOf(text, first) }]
  })
}

function snippetOf(text: string, word: string): string {
  const at = Math.max(0, fold(text).indexOf(word) - SNIPPET_CHARACTERS / 3)
  const part = text.slice(at, at + SNIPPET_CHARACTERS).replaceAll(/\s+/g, ' ')
  return `${at > 0 ? '…' : ''}${part.trim()}${at + SNIPPET_CHARACTERS < text.length ? '…' : ''}`
}

/** Accents and case are no reason to miss something. */
function fold(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase()
}
