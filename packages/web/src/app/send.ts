import type { BorrowInit } from '../answering/answerer.ts'
import { branchOf, type Chat, type Message, pathTo } from '../chats/chat.ts'
import { type Said, toldOf } from '../chats/conversation.ts'
import type { App } from './app-state.ts'
import { preferences } from './preferences.ts'
import { go } from './route.ts'

/** Says something in a chat or in a new one. */
export function sayIn(app: App, chat: Chat | undefined, said: Said): void {
  const system = chat?.system ?? preferences.value.system
  depart(app, system, [...(chat === undefined ? [] : branchOf(chat)), asMessage(said)], (borrow) =>
    go({ view: 'chat', id: app.conversation.say(chat?.id ?? null, said, system, borrow) }),
  )
}

/** Says something else in place of a message. */
export function editIn(app: App, chat: Chat, message: Message, text: string): void {
  const said = asMessage({ text, attachments: message.attachments })
  depart(app, chat.system, [...pathTo(chat, message.parent), said], (borrow) =>
    app.conversation.edit(chat.id, message, text, borrow),
  )
}

/** Asks for another answer in place of one. */
export function regenerateIn(app: App, chat: Chat, answer: Message): void {
  depart(app, chat.system, pathTo(chat, answer.parent), (borrow) =>
    app.conversation.regenerate(chat.id, answer, borrow),
  )
}

/** What would leave waits for the person's word; what stays here does not. */
function depart(
  app: App,
  system: string,
  told: readonly Pick<Message, 'role' | 'content' | 'attachments'>[],
  act: (borrow: BorrowInit | null) => void,
): void {
  const scope = app.scope.value
  if (scope === 'device') act(null)
  else app.departure.value = { messages: toldOf(system, told), scope, go: act }
}

function asMessage({ text, attachments }: Said) {
  return { role: 'user' as const, content: text, attachments }
}
