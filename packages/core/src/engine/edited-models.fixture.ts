import { concat, utf8 } from '../bytes.ts'
import { type GgufHeader, parseGguf } from './gguf.ts'

/** Files that are no loadable model, made of one that is, each with what is wrong with it. */
export function brokenModels(model: Uint8Array): Record<string, Uint8Array> {
  return {
    'an empty file': model.subarray(0, 0),
    'a file of another kind': utf8('%PDF-1.7\n'.repeat(99)),
    'a file that ends in its header': model.subarray(0, 999),
    'a file that ends in its tensors': model.subarray(0, -1),
    'a file of zeros': new Uint8Array(model.length),
    'the same token twice': renameToken(model, 'Ā', 'ā'),
    'a vocabulary without newline': renameToken(model, 'Ċ', 'ф'),
    'shapes that do not fit': setNumber(model, 'llama.feed_forward_length', 32),
  }
}

/** A copy with another 32-bit number under a metadata key. */
export function setNumber(model: Uint8Array, key: string, value: number): Uint8Array {
  const copy = new Uint8Array(model)
  // The key is followed by its value's type.
  const at = find(copy, utf8(key), 0) + key.length + 4
  new DataView(copy.buffer).setUint32(at, value, true)
  return copy
}

/** A copy in which the token `from` is called `to`, which must have as many bytes. */
export function renameToken(model: Uint8Array, from: string, to: string): Uint8Array {
  const copy = new Uint8Array(model)
  const name = utf8(from)
  const entry = new Uint8Array(8 + name.length)
  entry[0] = name.length
  entry.set(name, 8)
  copy.set(utf8(to), find(copy, entry, vocabularyOf(parseGguf(copy, copy.length))) + 8)
  return copy
}

/** A copy whose header is at least so many bytes longer, by a text in its metadata. */
export function lengthenHeader(model: Uint8Array, least: number): Uint8Array {
  const { entriesOffset } = parseGguf(model, model.length)
  const key = utf8('freehold.test')
  const head = 8 + key.length + 4 + 8
  // A whole number of alignments: everything behind it moves, and nothing has to be padded anew.
  const size = Math.ceil((head + least) / 1_024) * 1_024
  const entry = new Uint8Array(size).fill('.'.charCodeAt(0))
  const view = new DataView(entry.buffer)
  view.setBigUint64(0, BigInt(key.length), true)
  entry.set(key, 8)
  view.setUint32(8 + key.length, 8, true)
  view.setBigUint64(8 + key.length + 4, BigInt(size - head), true)
  const copy = concat(model.subarray(0, entriesOffset), entry, model.subarray(entriesOffset))
  const counts = new DataView(copy.buffer)
  counts.setBigUint64(16, counts.getBigUint64(16, true) + 1n, true)
  return copy
}

function vocabularyOf({ metadata }: GgufHeader): number {
  const tokens = metadata.get('tokenizer.ggml.tokens')
  if (typeof tokens !== 'object') throw new Error('the model has no vocabulary')
  return tokens.at
}

function find(bytes: Uint8Array, part: Uint8Array, from: number): number {
  for (let at = from; at + part.length <= bytes.length; at++) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return at
  }
  throw new Error('the model does not have what is to be changed')
}
