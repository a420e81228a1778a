import { describe, expect, it } from 'vitest'
import { concat, u32le, utf8 } from '../bytes.ts'
import type { GgufHeader } from './gguf.ts'
import { readTokenBytes } from './token-bytes.ts'

const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE] = [1, 2, 3, 4, 6]
const TYPE_STRING = 8
const TYPE_INT32 = 5

/** As much of a header as tells of tokens. */
function headerOf(
  kind: string,
  tokens: readonly (readonly [text: string, type: number])[],
): GgufHeader {
  const texts = concat(
    ...tokens.map(([text]) => concat(u32le(utf8(text).length), u32le(0), utf8(text))),
  )
  const types = concat(...tokens.map(([, type]) => u32le(type)))
  const { length: count } = tokens
  return {
    bytes: concat(texts, types),
    metadata: new Map<string, string | { type: number; count: number; at: number }>([
      ['tokenizer.ggml.model', kind],
      ['tokenizer.ggml.tokens', { type: TYPE_STRING, count, at: 0 }],
      ['tokenizer.ggml.token_type', { type: TYPE_INT32, count, at: texts.length }],
    ]),
    spans: new Map(),
    tensors: [],
    entriesOffset: 0,
    dataOffset: 0,
  }
}

const all = (header: GgufHeader, count: number) => {
  const bytes = readTokenBytes(header)
  return Array.from({ length: count }, (_, id) => [...bytes.of(id)])
}

describe('readTokenBytes', () => {
  it('default: byte-level vocabularies', () => {
    const header = headerOf('gpt2', [
      ['Ġsea', NORMAL],
      ['Ċ', NORMAL],
      ['Ã©', NORMAL],
      ['ð', NORMAL],
      ['Ł', NORMAL],
      ['Ń', NORMAL],
      ['<|end|>', CONTROL],
      ['Ġ<own> é', USER_DEFINED],
    ])
    expect(all(header, 8)).toEqual([
      [...utf8(' sea')],
      [0x0a],
      [...utf8('é')],
      [0xf0],
      [0x9f],
      [0xad],
      [],
      [...utf8('Ġ<own> é')],
    ])
  })

  it('behaviour: vocabularies that mark spaces, and bytes that have a token of their own', () => {
    const header = headerOf('llama', [
      ['<unk>', UNKNOWN],
      ['▁the▁sea', NORMAL],
      ['<0xF0>', BYTE],
      ['<0x0A>', BYTE],
      ['漢', NORMAL],
      ['</s>', CONTROL],
    ])
    expect(all(header, 6)).toEqual([[], [...utf8(' the sea')], [0xf0], [0x0a], [...utf8('漢')], []])
  })

  it('behaviour: what is no token has no bytes', () => {
    expect(all(headerOf('gpt2', [['a', NORMAL]]), 3)).toEqual([[97], [], []])
    const bare = { ...headerOf('gpt2', []), metadata: new Map() }
    expect([...readTokenBytes(bare).of(0)]).toEqual([])
  })
})
