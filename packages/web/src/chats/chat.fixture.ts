import type { Chat, Message } from './chat.ts'

export function emptyChat(id = 'chat'): Chat {
  return { id, title: '', createdMs: 1, changedMs: 1, system: '', messages: [], leaf: null }
}

export function said(
  id: string,
  parent: string | null,
  role: Message['role'],
  content: string,
): Message {
  const state = role === 'assistant' ? 'done' : null
  const none = { attachments: [], error: null, note: null }
  return { id, parent, role, content, createdMs: 2, state, ...none }
}
