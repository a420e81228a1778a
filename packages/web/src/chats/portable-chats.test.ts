import { describe, expect, it } from 'vitest'
import { emptyChat, said } from './chat.fixture.ts'
import { addMessage, type Chat } from './chat.ts'
import { chatsOf } from './portable-chats.ts'

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

/** As a file has them. */
const written = (chats: readonly Chat[]) => JSON.stringify(chats, null, 2)
const read = (text: string) => chatsOf(JSON.parse(text))

describe('chatsOf', () => {
  it('default: what goes out comes back', () => {
    expect(read(written([chat, emptyChat('two')]))).toEqual([chat, emptyChat('two')])
  })

  it('behaviour: an answer that was being written is one that broke off', () => {
    const writing = addMessage(chat, { ...said('b', 'a', 'assistant', ''), state: 'writing' })
    expect(read(written([writing]))[0]?.messages.at(-1)?.state).toBe('broken')
  })

  it('behaviour: who wrote an answer comes back; that it was audited has to be seen here', () => {
    const exported = written([borrowed('pass')])
    expect(read(exported)).toEqual([borrowed('none')])
    for (const [from, to] of [
      ['"own"', '"anybody"'],
      ['"peer"', '"nobody"'],
      ['"17"', '"-17"'],
      ['"mail": 1', '"mail": "1"'],
    ] as const) {
      expect(() => read(exported.replace(from, to))).toThrow(/borrowed/)
    }
  })

  it.each([
    ['{}', 'chats: it is no list'],
    ['[{"messages":[]}]', 'chats\\[0\\].id'],
    [written([chat]).replace('"user"', '"root"'), 'messages\\[0\\].role'],
  ])('behaviour: %s is refused with the place', (text, why) => {
    expect(() => read(text)).toThrow(new RegExp(why))
  })

  it('behaviour: fields that nobody knows are left out', () => {
    const more = written([chat]).replace('"title":', '"__proto__": {"x": 1}, "evil": 1, "title":')
    expect(read(more)).toEqual([chat])
  })
})
