import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOutputSplitter, type OutputPart } from './output-splitter.ts'

const all = { thinks: true, startsThinking: false, callsTools: true }

/** Parts of a text that comes in pieces, neighbours of one kind joined. */
function split(pieces: readonly string[], init = all): OutputPart[] {
  const splitter = createOutputSplitter(init)
  const parts = [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]
  const joined: OutputPart[] = []
  for (const part of parts) {
    const last = joined.at(-1)
    if (last?.kind === part.kind && part.kind !== 'call') last.text += part.text
    else joined.push({ ...part })
  }
  return joined
}

const TEXT =
  '<think>\nHm < 3?\n</think>\n\nLet me see. <tool_call>{"a":1}</tool_call>\n<tool_call>2</tool_call> <b>'

describe('createOutputSplitter', () => {
  it('default: however the text is cut, the parts are the same', () => {
    const whole = split([TEXT])
    expect(whole).toEqual([
      { kind: 'reasoning', text: 'Hm < 3?\n' },
      { kind: 'text', text: 'Let me see. ' },
      { kind: 'call', text: '{"a":1}' },
      { kind: 'call', text: '2' },
      { kind: 'text', text: '<b>' },
    ])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 90 }), (sizes) => {
        const pieces: string[] = []
        let rest = TEXT
        for (const size of sizes) {
          pieces.push(rest.slice(0, size))
          rest = rest.slice(size)
        }
        expect(split([...pieces, rest])).toEqual(whole)
      }),
    )
  })

  it('behaviour: a thought that began in the prompt, and one that never ends', () => {
    const init = { ...all, startsThinking: true }
    expect(split(['so</think>yes'], init)).toEqual([
      { kind: 'reasoning', text: 'so' },
      { kind: 'text', text: 'yes' },
    ])
    expect(split(['so on </thi'], init)).toEqual([{ kind: 'reasoning', text: 'so on </thi' }])
  })

  it('behaviour: a call that was cut off is shown as it was written', () => {
    expect(split(['a<tool_call>{"n'])).toEqual([{ kind: 'text', text: 'a<tool_call>{"n' }])
  })

  it('behaviour: tags mean nothing to a model that has none, and spaces stay', () => {
    const plain = { thinks: false, startsThinking: false, callsTools: false }
    expect(split([' <think>', 'a</think>'], plain)).toEqual([
      { kind: 'text', text: ' <think>a</think>' },
    ])
  })
})
