import type { GgufHeader, GgufValue } from '@freehold/core/engine/gguf'
import { parseGguf } from '@freehold/core/engine/gguf'
import { smallGguf } from '@freehold/core/engine/small-gguf.fixture'
import { describe, expect, it } from 'vitest'
import { readVocabulary } from './vocabulary.ts'

const bytes = smallGguf()
const header = parseGguf(bytes, bytes.length)

function withMetadata(entries: Record<string, GgufValue>): GgufHeader {
  return { ...header, metadata: new Map([...header.metadata, ...Object.entries(entries)]) }
}

describe('readVocabulary', () => {
  it('default: knows texts and control tokens', () => {
    const list = header.metadata.get('a.list') as GgufValue
    const types = new Uint8Array([...bytes, 1, 0, 0, 0, 3, 0, 0, 0])
    const metadata = new Map(header.metadata)
    metadata.set('tokenizer.ggml.tokens', list)
    metadata.set('tokenizer.ggml.token_type', { type: 5, count: 2, at: bytes.length })
    const vocabulary = readVocabulary({ ...header, bytes: types, metadata })
    expect([-1, 0, 1, 2].map((id) => vocabulary.textOf(id))).toEqual(['', 'x', 'Ċ', ''])
    expect([0, 1, 2].map((id) => vocabulary.isControl(id))).toEqual([false, true, false])
  })

  it('behaviour: SentencePiece puts a space before a text unless the file says no', () => {
    const adds = (entries: Record<string, GgufValue>) =>
      readVocabulary(withMetadata(entries)).addsSpace
    const kind = 'tokenizer.ggml.model'
    const own = 'tokenizer.ggml.add_space_prefix'
    expect(adds({ [kind]: 'llama' })).toBe(true)
    expect(adds({ [kind]: 'llama', [own]: false })).toBe(false)
    expect(adds({ [kind]: 'gpt2' })).toBe(false)
    expect(adds({ [kind]: 'gpt2', [own]: true })).toBe(true)
  })
})
