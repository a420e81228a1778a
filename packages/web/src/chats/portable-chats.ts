import type { AnswerNote, Attachment, BorrowedNote, BorrowedPart, Chat, Message } from './chat.ts'
import { fail, list, number, record, string, word } from './read-json.ts'

const STATES = ['writing', 'done', 'stopped', 'broken'] as const

const RUNGS = ['own', 'friends', 'market'] as const
const PLACES = ['here', 'peer'] as const

/**
 * Reads chats that were written as JSON. Fields that nobody knows are left out; nothing is guessed.
 * @throws FreeholdError saying what is wrong and where
 */
export function chatsOf(value: unknown): Chat[] {
  return list(value, 'chats').map((chat, i) => chatOf(chat, `chats[${i}]`))
}

function chatOf(value: unknown, at: string): Chat {
  const row = record(value, at)
  const messages = list(row.messages, `${at}.messages`).map((message, i) =>
    messageOf(message, `${at}.messages[${i}]`),
  )
  return {
    id: string(row.id, `${at}.id`),
    title: string(row.title, `${at}.title`),
    createdMs: number(row.createdMs, `${at}.createdMs`),
    changedMs: number(row.changedMs, `${at}.changedMs`),
    system: string(row.system, `${at}.system`),
    messages,
    leaf: row.leaf === null ? null : string(row.leaf, `${at}.leaf`),
  }
}

function messageOf(value: unknown, at: string): Message {
  const row = record(value, at)
  const { role, state } = row
  if (role !== 'user' && role !== 'assistant') fail(`${at}.role`, 'it is "user" or "assistant"')
  const known = STATES.find((name) => name === state) ?? null
  if (known === null && state !== null) fail(`${at}.state`, `it is one of ${STATES.join(', ')}`)
  return {
    id: string(row.id, `${at}.id`),
    parent: row.parent === null ? null : string(row.parent, `${at}.parent`),
    role,
    content: string(row.content, `${at}.content`),
    createdMs: number(row.createdMs, `${at}.createdMs`),
    attachments: list(row.attachments, `${at}.attachments`).map((file, i) =>
      attachmentOf(file, `${at}.attachments[${i}]`),
    ),
    // Nobody goes on writing what comes from a file.
    state: known === 'writing' ? 'broken' : known,
    error: row.error === null ? null : string(row.error, `${at}.error`),
    note: row.note === null ? null : noteOf(row.note, `${at}.note`),
  }
}

function attachmentOf(value: unknown, at: string): Attachment {
  const row = record(value, at)
  return { name: string(row.name, `${at}.name`), text: string(row.text, `${at}.text`) }
}

function noteOf(value: unknown, at: string): AnswerNote {
  const row = record(value, at)
  return {
    model: string(row.model, `${at}.model`),
    modelId: string(row.modelId, `${at}.modelId`),
    tokens: number(row.tokens, `${at}.tokens`),
    totalMs: number(row.totalMs, `${at}.totalMs`),
    ...(row.borrowed === undefined ? {} : { borrowed: borrowedOf(row.borrowed, `${at}.borrowed`) }),
  }
}

function borrowedOf(value: unknown, at: string): BorrowedNote {
  const row = record(value, at)
  const redacted = Object.entries(record(row.redacted, `${at}.redacted`))
  return {
    scope: word(row.scope, RUNGS, `${at}.scope`),
    rung: word(row.rung, RUNGS, `${at}.rung`),
    // A file proves nothing: where the receipt is here, it says more when the mark is opened.
    check: 'none',
    parts: list(row.parts, `${at}.parts`).map((part, i) => partOf(part, `${at}.parts[${i}]`)),
    redacted: Object.fromEntries(
      redacted.map(([kind, count]) => [kind, number(count, `${at}.redacted`)]),
    ),
  }
}

function partOf(value: unknown, at: string): BorrowedPart {
  const row = record(value, at)
  const priceUnits = string(row.priceUnits, `${at}.priceUnits`)
  if (!/^\d{1,78}$/.test(priceUnits)) fail(`${at}.priceUnits`, 'it is no amount')
  return {
    where: word(row.where, PLACES, `${at}.where`),
    lender: row.lender === null ? null : string(row.lender, `${at}.lender`),
    receipt: row.receipt === null ? null : string(row.receipt, `${at}.receipt`),
    tokens: number(row.tokens, `${at}.tokens`),
    end: string(row.end, `${at}.end`),
    priceUnits,
  }
}
