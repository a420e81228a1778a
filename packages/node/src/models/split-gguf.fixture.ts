import { concat, u32le, utf8 } from '@freehold/core/bytes'
import { parseGguf } from '@freehold/core/engine/gguf'

/** Splits a GGUF into two files, as llama.cpp's own tool does: the metadata is in the first. */
export function splitGguf(bytes: Uint8Array): [Buffer, Buffer] {
  const header = parseGguf(bytes, bytes.length)
  const alignment = Number(header.metadata.get('general.alignment') ?? 32)
  const half = Math.ceil(header.tensors.length / 2)
  const metadata = header.bytes.subarray(24, header.entriesOffset)
  const shard = (no: number) => {
    const tensors = no === 0 ? header.tensors.slice(0, half) : header.tensors.slice(half)
    const kept = no === 0 ? metadata : new Uint8Array()
    const split = concat(
      ...[text('split.no'), u32le(2), u16le(no)],
      ...[text('split.count'), u32le(2), u16le(2)],
      ...[text('split.tensors.count'), u32le(5), u32le(header.tensors.length)],
    )
    const entries: Uint8Array[] = []
    const data: Uint8Array[] = []
    let offset = 0
    for (const { name, dimensions, type, offset: from, sizeBytes } of tensors) {
      const sizes = dimensions.map((size) => u64le(BigInt(size)))
      entries.push(text(name), u32le(sizes.length), ...sizes, u32le(type), u64le(BigInt(offset)))
      const padded = new Uint8Array(Math.ceil(sizeBytes / alignment) * alignment)
      padded.set(bytes.subarray(from, from + sizeBytes))
      data.push(padded)
      offset += padded.length
    }
    const count = BigInt((no === 0 ? header.metadata.size : 0) + 3)
    const head = concat(
      ...[utf8('GGUF'), u32le(3), u64le(BigInt(tensors.length)), u64le(count)],
      ...[kept, split, ...entries],
    )
    const gap = new Uint8Array(Math.ceil(head.length / alignment) * alignment - head.length)
    return Buffer.from(concat(head, gap, ...data))
  }
  return [shard(0), shard(1)]
}

function text(value: string): Uint8Array {
  const bytes = utf8(value)
  return concat(u64le(BigInt(bytes.length)), bytes)
}

function u16le(value: number): Uint8Array {
  return u32le(value).slice(0, 2)
}

function u64le(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  return bytes
}
