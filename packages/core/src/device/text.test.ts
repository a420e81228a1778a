import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTextStream } from './text.ts'

/** Ids are bytes; like many tokenizers it drops a space at the start of what it is given. */
const detokenize = async (ids: readonly number[]) =>
  new TextDecoder().decode(Uint8Array.from(ids)).replace(/^ /, '')

/** Ids of a text, cut into pieces at random. */
const pieces = fc
  .tuple(
    fc.array(fc.constantFrom(' a', 'é', '語', '🌰', ' ', 'stone', '\n'), { maxLength: 120 }),
    fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
  )
  .map(([words, sizes]) => {
    const ids = [...new TextEncoder().encode(words.join(''))]
    const cut: number[][] = []
    while (ids.length > 0) cut.push(ids.splice(0, sizes.next().value))
    return cut
  })

describe('createTextStream', () => {
  it('default: what is shown piece by piece is the whole text, and never half a character', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, async (cut) => {
        const stream = createTextStream({ detokenize })
        let shown = ''
        for (const ids of cut) {
          const text = await stream.push(ids)
          expect(text).not.toContain('\uFFFD')
          shown += text
        }
        expect(shown + (await stream.end())).toBe(await detokenize(cut.flat()))
      }),
    )
  })

  it('behaviour: a character that never gets whole is shown at the end', async () => {
    const stream = createTextStream({ detokenize })
    expect(await stream.push([0x61])).toBe('a')
    expect(await stream.push([0xf0, 0x9f])).toBe('')
    expect(await stream.end()).toBe('\uFFFD')
    expect(await stream.end()).toBe('')
  })

  it('behaviour: one call of the tokenizer for a piece', async () => {
    let calls = 0
    const stream = createTextStream({
      detokenize: (ids) => {
        calls++
        return detokenize(ids)
      },
    })
    for (let i = 0; i < 400; i++) await stream.push([0x61])
    expect(calls).toBeLessThan(400 * 1.05)
  })
})
