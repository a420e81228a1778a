import { concat, u32le, utf8 } from '../bytes.ts'

export interface SmallGgufInit {
  version?: number | undefined
  /** 4 bytes, or nothing. @default 64 */
  alignment?: number | undefined
  /** Where the second tensor begins. @default 128 */
  secondOffset?: number | undefined
  /** Files that the model claims to have. */
  split?: number | undefined
  /** Bytes of a metadata text that makes the header longer. */
  padding?: number | undefined
  /** Has a vocabulary, a context and a shape, as what can answer must. @default false */
  vocabulary?: boolean | undefined
}

/** A small GGUF with one entry of each kind, two tensors and their data. */
export function smallGguf(init: SmallGgufInit = {}): Uint8Array {
  const { version = 3, alignment = 64, secondOffset = 128, split = 1, padding = 0 } = init
  const words = [
    ...[text('llama.context_length'), u32le(4), u32le(64)],
    ...[text('llama.block_count'), u32le(4), u32le(1)],
    ...[text('llama.embedding_length'), u32le(4), u32le(32)],
    ...[text('llama.attention.head_count'), u32le(4), u32le(1)],
    ...[text('tokenizer.ggml.model'), u32le(8), text('gpt2')],
    ...[text('tokenizer.ggml.tokens'), u32le(9), u32le(8), u64le(2n), text('x'), text('Ċ')],
  ]
  const head = concat(
    utf8('GGUF'),
    u32le(version),
    ...[u64le(2n), u64le(7n + BigInt(init.vocabulary ? 6 : 0))],
    ...[text('general.architecture'), u32le(8), text('llama')],
    ...[text('general.alignment'), u32le(4), u32le(alignment)],
    ...[text('a.flag'), u32le(7), Uint8Array.of(1)],
    ...[text('a.big'), u32le(10), u64le(2n ** 60n)],
    ...[text('a.list'), u32le(9), u32le(8), u64le(2n), text('x'), text('Ċ')],
    ...[text('split.count'), u32le(2), u32le(split).slice(0, 2)],
    ...[text('a.text'), u32le(8), text('.'.repeat(padding))],
    ...(init.vocabulary ? words : []),
    ...[text('one'), u32le(2), u64le(32n), u64le(3n), u32le(8), u64le(0n)],
    ...[text('two'), u32le(1), u64le(5n), u32le(0), u64le(BigInt(secondOffset))],
  )
  const data = Math.ceil(head.length / 64) * 64
  return concat(head, new Uint8Array(data - head.length + 128 + 20))
}

function u64le(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}

function text(value: string): Uint8Array {
  const bytes = utf8(value)
  return concat(u64le(BigInt(bytes.length)), bytes)
}
