import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStopText } from './stop-text.ts'

/** What is shown of `parts`, and which stop text ended it. */
function show(parts: readonly string[], stops: readonly string[]) {
  const stopText = createStopText(stops)
  let text = ''
  for (const part of parts) {
    const shown = stopText.push(part)
    text += shown.text
    if (shown.stop !== null) return { text, stop: shown.stop }
  }
  return { text: text + stopText.end(), stop: null }
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 30 })
const stops = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }),
  { maxLength: 3 },
)

describe('stop text', () => {
  it('default: shows all up to it', () => {
    expect(show(['One. ', 'Tw', 'o. Three.'], ['Two'])).toEqual({ text: 'One. ', stop: 'Two' })
    expect(show(['One. Tw'], ['Two'])).toEqual({ text: 'One. Tw', stop: null })
    expect(show(['One.'], [])).toEqual({ text: 'One.', stop: null })
  })

  it('behaviour: shows at once what cannot be the start of one', () => {
    const stopText = createStopText(['\n\n', 'User:'])
    expect(stopText.push('Hello Us')).toEqual({ text: 'Hello ', stop: null })
    expect(stopText.push('A')).toEqual({ text: 'UsA', stop: null })
    expect(stopText.push('\n')).toEqual({ text: '', stop: null })
    expect(stopText.push('x')).toEqual({ text: '\nx', stop: null })
  })

  it('behaviour: how the parts are cut changes nothing, and none is ever shown', () => {
    fc.assert(
      fc.property(
        letters,
        stops,
        fc.infiniteStream(fc.integer({ min: 1, max: 6 })),
        (text, all, cuts) => {
          const parts: string[] = []
          for (let at = 0; at < text.length; ) {
            const length = cuts.next().value as number
            parts.push(text.slice(at, at + length))
            at += length
          }
          const shown = show(parts, all)
          expect(shown).toEqual(show(Array.from(text), all))
          expect(text.startsWith(shown.text)).toBe(true)
          for (const stop of all) expect(shown.text).not.toContain(stop)
          if (shown.stop === null) expect(shown.text).toBe(text)
          else expect(text.startsWith(shown.text + shown.stop)).toBe(true)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
