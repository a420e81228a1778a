import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TextLogits } from '../engine/text-sequences.ts'
import { createPieceWriter } from './piece-writer.ts'
import { PLAIN_SAMPLING } from './text-generator.fixture.ts'

/** Each byte is a token: characters lie over several. */
const bytes = { of: (id: number) => Uint8Array.of(id) }
const topOf = (...ids: number[]): TextLogits => ({
  ids: Uint32Array.from(ids),
  logits: Float32Array.from(ids, (_, index) => -index),
  logSum: 1,
})

function write(text: Uint8Array, stop: string[] = []) {
  const writer = createPieceWriter({ bytes, stop, topLogprobs: 1, sampling: PLAIN_SAMPLING })
  const pieces = []
  let ended: string | null = null
  for (const byte of text) {
    const { piece, stopText } = writer.push(byte, topOf(byte, 7))
    if (piece !== null) pieces.push(piece)
    if (stopText === null) continue
    ended = stopText
    break
  }
  const last = ended === null ? writer.end() : null
  if (last !== null) pieces.push(last)
  return { pieces, ended, text: pieces.map((piece) => piece.text).join('') }
}

describe('piece writer', () => {
  it('default: shows characters when all their bytes are there', () => {
    const { pieces, text } = write(Buffer.from('é🦉!'))
    expect(text).toBe('é🦉!')
    expect(pieces.map((piece) => piece.text)).toEqual(['é', '🦉', '!'])
    expect(pieces.map(({ ids }) => ids.length)).toEqual([2, 4, 1])
  })

  it('behaviour: each token is told of once, with its bytes and log-probability', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 12 }), (text) => {
        const { pieces, text: shown } = write(Buffer.from(text), [])
        expect(shown).toBe(text)
        const tokens = pieces.flatMap(({ logprobs }) => logprobs ?? [])
        expect(Buffer.concat(tokens.map((token) => token.bytes)).toString()).toBe(text)
        expect(pieces.flatMap(({ ids }) => ids)).toEqual([...Buffer.from(text)])
        for (const token of tokens)
          expect(token).toMatchObject({ logprob: -1, top: [{ id: token.id }] })
      }),
    )
  })

  it('behaviour: half a character at the end is not shown, and a wrong byte is one sign', () => {
    expect(write(Buffer.from('ab🦉').subarray(0, 4)).text).toBe('ab')
    expect(write(Uint8Array.of(97, 0xff, 98)).text).toBe('a\uFFFDb')
  })

  it('behaviour: a stop text may begin and end inside of characters’ bytes', () => {
    expect(write(Buffer.from('the 🦉 flies'), ['🦉 f'])).toMatchObject({
      text: 'the ',
      ended: '🦉 f',
    })
  })
})
