/** How an answer came to its end, or has not yet. */
export type AnswerState = 'writing' | 'done' | 'stopped' | 'broken'

/** A text file that goes along with a question. */
export interface Attachment {
  name: string
  text: string
}

/** What is known about an answer besides its words. */
export interface AnswerNote {
  model: string
  /** SHA-256 of the model's bytes, 64 hex digits. */
  modelId: string
  tokens: number
  totalMs: number
  /** Absent: it was written on this device. */
  borrowed?: BorrowedNote
}

/** Who wrote which part of a borrowed answer. */
export interface BorrowedPart {
  where: 'here' | 'peer'
  /** Device key, hex; null: this device. */
  lender: string | null
  /** Names the receipt, which the device keeps; null: there is none. */
  receipt: string | null
  tokens: number
  /** `receipt`, `here`, or why it broke off. */
  end: string
  /** Token units, in digits. */
  priceUnits: string
}

/** What is known about a borrowed answer. */
export interface BorrowedNote {
  scope: 'own' | 'friends' | 'market'
  /** Who the farthest of its lenders is. */
  rung: 'own' | 'friends' | 'market'
  /** What audits said: `open` while it is being audited and paid, `none` without a decision. */
  check: 'open' | 'none' | 'pass' | 'fail'
  parts: readonly BorrowedPart[]
  /** How many places of which kind were replaced before it left. */
  redacted: Readonly<Record<string, number>>
}

/** One message. A chat is a tree: whoever edits or asks again adds a sibling and loses nothing. */
export interface Message {
  id: string
  /** The message before; null: it is the first. */
  parent: string | null
  role: 'user' | 'assistant'
  content: string
  createdMs: number
  attachments: readonly Attachment[]
  /** Of an answer; null: a person's message. */
  state: AnswerState | null
  /** Why it broke, in words for the person. */
  error: string | null
  note: AnswerNote | null
}

export interface Chat {
  id: string
  title: string
  createdMs: number
  changedMs: number
  /** What the model is told before the first message. */
  system: string
  messages: readonly Message[]
  /** Last message of the branch that is shown; null: nothing was said. */
  leaf: string | null
}

const TITLE_CHARACTERS = 60

/** The messages of the branch that is shown, first to last. */
export function branchOf(chat: Chat): Message[] {
  return pathTo(chat, chat.leaf)
}

/** From the first message to this one. */
export function pathTo(chat: Chat, id: string | null): Message[] {
  const byId = new Map(chat.messages.map((message) => [message.id, message]))
  const path: Message[] = []
  const seen = new Set<string>()
  for (let at = id; at !== null && !seen.has(at); ) {
    seen.add(at)
    const message = byId.get(at)
    if (message === undefined) break
    path.unshift(message)
    at = message.parent
  }
  return path
}

/** The versions of a message: those that follow the same one, in the order of their making. */
export function siblingsOf(chat: Chat, { parent, role }: Message): Message[] {
  return chat.messages.filter((other) => other.parent === parent && other.role === role)
}

/** Shows the branch of this message, down to what was said last on it. */
export function showBranch(chat: Chat, id: string): Chat {
  const seen = new Set<string>()
  let leaf = id
  while (!seen.has(leaf)) {
    seen.add(leaf)
    const next = chat.messages.findLast(({ parent }) => parent === leaf)
    if (next !== undefined) leaf = next.id
  }
  return { ...chat, leaf }
}

/** Adds a message after its parent and shows it. */
export function addMessage(chat: Chat, message: Message): Chat {
  return {
    ...chat,
    title: chat.title || titleOf(message.content),
    changedMs: message.createdMs,
    messages: [...chat.messages, message],
    leaf: message.id,
  }
}

/** A chat as it is here and as it was taken along: what only one of the two has stays, what both have is as here. */
export function mergeChats(here: Chat, taken: Chat): Chat {
  const known = new Set(here.messages.map(({ id }) => id))
  const later = taken.changedMs > here.changedMs ? taken : here
  return {
    ...later,
    messages: [...here.messages, ...taken.messages.filter(({ id }) => !known.has(id))],
  }
}

export function changeMessage(chat: Chat, id: string, change: Partial<Message>): Chat {
  const messages = chat.messages.map((message) =>
    message.id === id ? { ...message, ...change } : message,
  )
  return { ...chat, messages }
}

/** What a question says to the model, its files included. */
export function wordsOf({
  content,
  attachments,
}: Pick<Message, 'content' | 'attachments'>): string {
  const files = attachments.map(({ name, text }) => `File ${name}:\n${text}`)
  return [...files, content].join('\n\n')
}

function titleOf(content: string): string {
  const line = content.trim().split('\n')[0] ?? ''
  if (line.length <= TITLE_CHARACTERS) return line
  return `${line.slice(0, TITLE_CHARACTERS).replace(/\s+\S*$/, '')}…`
}
