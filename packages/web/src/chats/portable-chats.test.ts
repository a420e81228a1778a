import { describe, expect, it } from 'vitest'
import { emptyChat, said } from './chat.fixture.ts'
import { addMessage } from './chat.ts'
import { exportChats, importChats } from './portable-chats.ts'

const note = { model: 'Acorn', modelId: 'ab', tokens: 3, totalMs: 40 }
const asked = addMessage(emptyChat(), {
  ...said('q', null, 'user', 'Hello'),
  attachments: [{ name: 'a.txt', text: 'alpha' }],
})
const chat = addMessage(asked, { ...said('a', 'q', 'assistant', 'Hi'), note })

function borrowed(check: 'none' | 'pass') {
  const part = { where: 'peer', lender: 'cd', receipt: 'ef', tokens: 3, end: 'receipt' } as const
  const parts = [{ ...part, priceUnits: '17' }]
  const redacted = { mail: 1 }
  const answer = { ...said('b', 'a', 'assistant', 'Hi'), note: { ...note } }
  const of = { scope: 'market', rung: 'own', check, parts, redacted } as const
  return addMessage(chat, { ...answer, note: { ...note, borrowed: of } })
}

describe('exportChats, importChats', () => {
  it('default: what goes out comes back', () => {
    expect(importChats(exportChats([chat, emptyChat('two')]))).toEqual([chat, emptyChat('two')])
  })

  it('behaviour: an answer that was being written is one that broke off', () => {
    const writing = addMessage(chat, { ...said('b', 'a', 'assistant', ''), state: 'writing' })
    expect(importChats(exportChats([writing]))[0]?.messages.at(-1)?.state).toBe('broken')
  })

  it('behaviour: who wrote an answer comes back; that it was audited has to be seen here', () => {
    const exported = exportChats([borrowed('pass')])
    expect(importChats(exported)).toEqual([borrowed('none')])
    for (const [from, to] of [
      ['"own"', '"anybody"'],
      ['"peer"', '"nobody"'],
      ['"17"', '"-17"'],
      ['"mail": 1', '"mail": "1"'],
    ] as const) {
      expect(() => importChats(exported.replace(from, to))).toThrow(/borrowed/)
    }
  })

  it.each([
    ['{', 'no JSON'],
    ['[]', 'no object'],
    ['{"format":"other"}', 'no file of chats'],
    ['{"format":"freehold-chats","version":2}', 'another version'],
    ['{"format":"freehold-chats","version":1,"chats":{}}', 'chats: it is no list'],
    ['{"format":"freehold-chats","version":1,"chats":[{"messages":[]}]}', 'chats\\[0\\].id'],
    [exportChats([chat]).replace('"user"', '"root"'), 'messages\\[0\\].role'],
  ])('behaviour: %s is refused with the place', (text, why) => {
    expect(() => importChats(text)).toThrow(new RegExp(why))
  })

  it('behaviour: fields that nobody knows are left out', () => {
    const more = exportChats([chat]).replace(
      '"title":',
      '"__proto__": {"x": 1}, "evil": 1, "title":',
    )
    expect(importChats(more)).toEqual([chat])
  })
})
