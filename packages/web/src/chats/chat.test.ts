import { describe, expect, it } from 'vitest'
import { emptyChat, said } from './chat.fixture.ts'
import {
  addMessage,
  branchOf,
  type Chat,
  changeMessage,
  mergeChats,
  showBranch,
  siblingsOf,
  wordsOf,
} from './chat.ts'

const asked = addMessage(emptyChat(), said('q1', null, 'user', 'What is a kite?'))
const answered = addMessage(asked, said('a1', 'q1', 'assistant', 'A toy.'))
const again = addMessage(answered, said('a2', 'q1', 'assistant', 'A bird.'))
const goneOn = addMessage(again, said('q2', 'a2', 'user', 'Which?'))
const idsOf = (chat: Chat) => branchOf(chat).map(({ id }) => id)

describe('chat', () => {
  it('default: what was said last is shown, with everything that led there', () => {
    expect(idsOf(goneOn)).toEqual(['q1', 'a2', 'q2'])
    expect(goneOn.title).toBe('What is a kite?')
  })

  it('behaviour: another version is a branch, and nothing is lost', () => {
    const first = showBranch(goneOn, 'a1')
    expect(idsOf(first)).toEqual(['q1', 'a1'])
    expect(idsOf(showBranch(first, 'a2'))).toEqual(['q1', 'a2', 'q2'])
    expect(siblingsOf(goneOn, said('a1', 'q1', 'assistant', '')).map(({ id }) => id)).toEqual([
      'a1',
      'a2',
    ])
  })

  it('behaviour: messages that name each other as parents end somewhere', () => {
    const messages = [said('x', 'y', 'user', ''), said('y', 'x', 'assistant', '')]
    const knot = { ...emptyChat(), messages, leaf: 'x' }
    expect(idsOf(knot)).toEqual(['y', 'x'])
    expect(showBranch(knot, 'x').leaf).toBe('x')
  })

  it('behaviour: long first lines become short titles', () => {
    const long = addMessage(emptyChat(), said('q', null, 'user', 'word '.repeat(40)))
    expect(long.title.length).toBeLessThanOrEqual(61)
    expect(long.title.endsWith('word…')).toBe(true)
  })

  it('behaviour: files are said before the question', () => {
    const attachments = [{ name: 'a.txt', text: 'alpha' }]
    expect(wordsOf({ ...said('q', null, 'user', 'Why?'), attachments })).toBe(
      'File a.txt:\nalpha\n\nWhy?',
    )
  })

  it('behaviour: what was taken along is added to what is here, and replaces nothing', () => {
    const passed = changeMessage(answered, 'a1', { content: 'A toy, as it is here.' })
    const newer = { ...passed, changedMs: 9, title: 'Mine' }
    expect(mergeChats(newer, goneOn)).toEqual({
      ...newer,
      messages: [...newer.messages, ...goneOn.messages.slice(2)],
    })
    const older = { ...passed, changedMs: 0 }
    expect(mergeChats(older, goneOn)).toMatchObject({ leaf: goneOn.leaf, title: goneOn.title })
    expect(mergeChats(older, goneOn).messages[1]?.content).toBe('A toy, as it is here.')
    expect(mergeChats(goneOn, older)).toMatchObject({ leaf: goneOn.leaf })
  })
})
