import { describe, expect, it } from 'vitest'
import { endOfSentences } from './sentences.ts'

describe('endOfSentences', () => {
  it.each([
    ['', ''],
    ['A kite is', ''],
    ['A kite is a toy. It', 'A kite is a toy. '],
    ['He said “no.” Then', 'He said “no.” '],
    ['A list:\n- one', 'A list:\n'],
    ['It costs 3.50', ''],
  ])('default: of %j only %j is read', (text, read) => {
    expect(text.slice(0, endOfSentences(text))).toBe(read)
  })
})
