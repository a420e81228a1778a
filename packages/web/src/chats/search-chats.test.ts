import { describe, expect, it } from 'vitest'
import { emptyChat, said } from './chat.fixture.ts'
import { addMessage } from './chat.ts'
import { searchChats } from './search-chats.ts'

const kite = addMessage(emptyChat('kite'), said('q', null, 'user', 'What is a kite?'))
const later = { ...emptyChat('later'), changedMs: 9 }
const cafe = addMessage(later, { ...said('q', null, 'user', 'Where is the Café?'), createdMs: 9 })

describe('searchChats', () => {
  const idsOf = (query: string) => searchChats([kite, cafe], query).map(({ chat }) => chat.id)

  it('default: finds words of messages, and shows where', () => {
    expect(idsOf('KITE')).toEqual(['kite'])
    expect(searchChats([kite], 'kite')[0]?.snippet).toBe('What is a kite?')
  })

  it('behaviour: nothing asked is everything, latest first', () => {
    expect(idsOf(' ')).toEqual(['later', 'kite'])
  })

  it('behaviour: accents do not matter, and every word must be there', () => {
    expect(idsOf('cafe where')).toEqual(['later'])
    expect(idsOf('cafe kite')).toEqual([])
  })
})
