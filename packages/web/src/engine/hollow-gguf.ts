import { concat, u32le, utf8 } from '@freehold/core/bytes'
import type { GgufHeader } from '@freehold/core/engine/gguf'

/** One row is one block of Q8_0. */
const WIDTH = 32
const TENSOR_F32 = 0
const TENSOR_Q8_0 = 8
const Q8_0_ROW_BYTES = 34
const ALIGNMENT = 32

/** The smallest Llama: one block, which is never run. */
const SHAPE: Record<string, Uint8Array> = {
  'general.architecture': concat(u32le(8), text('llama')),
  'llama.block_count': number(1),
  'llama.context_length': number(256),
  'llama.embedding_length': number(WIDTH),
  'llama.feed_forward_length': number(WIDTH),
  'llama.attention.head_count': number(1),
  'llama.attention.layer_norm_rms_epsilon': concat(u32le(6), f32le(1e-5)),
}
const BLOCK = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']

/**
 * A GGUF with the tokenizer of `header` and next to no model, its tensors being zeros: wllama loads no
 * vocabulary alone, and llama.cpp tokenises the same whatever computes.
 */
export function hollowGguf(header: GgufHeader, vocabSize: number): Blob {
  const tokenizer = [...header.spans]
    .filter(([key]) => key.startsWith('tokenizer.'))
    .map(([, [from, to]]) => header.bytes.subarray(from, to))
  const shape = Object.entries(SHAPE).map(([key, value]) => concat(text(key), value))
  const tensors = [
    matrix('token_embd.weight', vocabSize),
    vector('output_norm.weight'),
    ...['attn_norm', 'ffn_norm'].map((name) => vector(`blk.0.${name}.weight`)),
    ...BLOCK.map((name) => matrix(`blk.0.${name}.weight`, WIDTH)),
  ]
  let dataBytes = 0
  const entries = tensors.map(({ entry, sizeBytes }) => {
    const offset = dataBytes
    dataBytes = aligned(offset + sizeBytes)
    return concat(entry, u64le(offset))
  })
  const counts = [u64le(tensors.length), u64le(shape.length + tokenizer.length)]
  const head = concat(utf8('GGUF'), u32le(3), ...counts, ...shape, ...tokenizer, ...entries)
  const whole = new Uint8Array(aligned(head.length) + dataBytes)
  whole.set(head)
  return new Blob([whole])
}

function matrix(name: string, rows: number) {
  const entry = concat(text(name), u32le(2), u64le(WIDTH), u64le(rows), u32le(TENSOR_Q8_0))
  return { entry, sizeBytes: rows * Q8_0_ROW_BYTES }
}

function vector(name: string) {
  return {
    entry: concat(text(name), u32le(1), u64le(WIDTH), u32le(TENSOR_F32)),
    sizeBytes: 4 * WIDTH,
  }
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT
}

function number(value: number): Uint8Array {
  return concat(u32le(4), u32le(value))
}

function text(value: string): Uint8Array {
  const bytes = utf8(value)
  return concat(u64le(bytes.length), bytes)
}

function f32le(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return bytes
}

function u64le(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return bytes
}
