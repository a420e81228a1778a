import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findSensitive } from './detect/find-sensitive.ts'
import type { Place } from './policy.ts'
import { createRestorer, redact, restore } from './redact.ts'

/** Redacts whatever is found in some texts. */
function redactAll(...texts: string[]) {
  const places = texts.flatMap((text, index) =>
    findSensitive(text).map((finding): Place => ({ ...finding, text: index })),
  )
  return redact(texts, places)
}

/** Texts that look like placeholders, values and parts of both. */
const parts = fc.array(
  fc.oneof(
    fc.constantFrom('[MAIL_1]', '[MAIL_2]', '[MAIL_', '[', ']', '1]', '[[MAIL_1]', 'MAIL_1'),
    fc.constantFrom('ada@example.org', 'bob@example.org', '+49 30 1234567', ' ', '\n'),
    fc.string({ maxLength: 12 }),
  ),
  { maxLength: 20 },
)
const tricky = parts.map((all) => all.join(''))

describe('redact', () => {
  it('default: the same value has the same placeholder, in each of the texts', () => {
    const { texts, placeholders, counts } = redactAll(
      'Write to ada@example.org and bob@example.org.',
      'Did ada@example.org answer? Call +49 30 1234567.',
    )
    expect(texts).toEqual([
      'Write to [MAIL_1] and [MAIL_2].',
      'Did [MAIL_1] answer? Call [PHONE_1].',
    ])
    expect(counts).toEqual({ mail: 3, phone: 1 })
    expect(placeholders.get('[MAIL_2]')).toBe('bob@example.org')
  })

  it('behaviour: a conversation that grows keeps its placeholders', () => {
    const first = ['I am ada@example.org', 'Hello ada@example.org, who is bob@example.org?']
    const more = [...first, 'eve@example.org knows bob@example.org']
    expect(redactAll(...more).texts.slice(0, 2)).toEqual(redactAll(...first).texts)
  })

  it('behaviour: a placeholder that stands in a text already stays what it was', () => {
    const { texts, placeholders } = redactAll('[MAIL_1] is no address, ada@example.org is')
    expect(texts).toEqual(['[MAIL_1] is no address, [MAIL_2] is'])
    expect(restore('[MAIL_1] [MAIL_2]', placeholders)).toBe('[MAIL_1] ada@example.org')
  })

  it('behaviour: what overlaps is replaced as one, by the name of the graver', () => {
    const places: Place[] = [
      { kind: 'mail', text: 0, start: 2, end: 6 },
      { kind: 'password', text: 0, start: 4, end: 8 },
    ]
    expect(redact(['0123456789'], places).texts).toEqual(['01[PASSWORD_1]89'])
  })

  it('behaviour: what is put back is what was taken', () => {
    fc.assert(
      fc.property(fc.array(tricky, { maxLength: 4 }), (texts) => {
        const redacted = redactAll(...texts)
        expect(redacted.texts.map((text) => restore(text, redacted.placeholders))).toEqual(texts)
      }),
      { numRuns: 500 },
    )
  })

  it('behaviour: nothing that was found is left', () => {
    fc.assert(
      fc.property(parts, (all) => {
        const { texts, placeholders } = redactAll(all.join(' ; '))
        const rest = texts.join('').replace(/\[[A-Z_]+_\d+\]/g, '')
        for (const value of placeholders.values()) expect(rest).not.toContain(value)
      }),
    )
  })

  it('behaviour: arbitrary places are put back too', () => {
    const place = fc.tuple(fc.nat(30), fc.nat(30)).map(([one, other]) => ({
      ...{ kind: 'text' as const, text: 0 },
      ...{ start: Math.min(one, other), end: Math.max(one, other) },
    }))
    fc.assert(
      fc.property(tricky, fc.array(place, { maxLength: 5 }), (text, places) => {
        const within = places.filter(({ start, end }) => start < end && end <= text.length)
        const { texts, placeholders } = redact([text], within)
        expect(restore(texts[0]!, placeholders)).toBe(text)
      }),
    )
  })
})

describe('createRestorer', () => {
  const placeholders = new Map([
    ['[MAIL_1]', 'ada@example.org'],
    ['[MAIL_12]', 'bob@example.org'],
  ])

  it('default: a placeholder that is cut anywhere is put back', () => {
    const text = 'To [MAIL_1], [MAIL_12] [MAIL_3] [[MAIL_1]] and [MAIL'
    const whole = restore(text, placeholders)
    expect(whole).toBe('To ada@example.org, bob@example.org [MAIL_3] [ada@example.org] and [MAIL')
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const restorer = createRestorer(placeholders)
        const ends = [...cuts.sort((a, b) => a - b), text.length]
        const pieces = ends.map((end, i) => restorer.push(text.slice(ends[i - 1] ?? 0, end)))
        expect([...pieces, restorer.end()].join('')).toBe(whole)
      }),
    )
  })

  it('behaviour: holds back no more than what may become a placeholder', () => {
    const restorer = createRestorer(placeholders)
    expect(restorer.push('a [b [MAIL_1')).toBe('a [b ')
    expect(restorer.push(' c')).toBe('[MAIL_1 c')
    expect(restorer.push('[')).toBe('')
    expect(restorer.end()).toBe('[')
  })

  it('behaviour: arguments of a tool stay JSON', () => {
    const value = 'line\n"quoted" \\ and [MAIL_1]'
    const all = new Map([['[TEXT_1]', value]])
    const written = JSON.stringify({ to: '[TEXT_1]', list: ['a [TEXT_1] b'] })
    const restored: unknown = JSON.parse(restore(written, all, { isJson: true }))
    expect(restored).toEqual({ to: value, list: [`a ${value} b`] })
  })
})
