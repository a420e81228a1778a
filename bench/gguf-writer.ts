import { open } from 'node:fs/promises'

/** A metadata value: text, a whole number (uint32), a fraction (float32), or a list. */
export type GgufValue = string | number | { float: number } | readonly string[] | Int32Array

/** One tensor of half or single precision. */
export interface GgufTensor {
  name: string
  /** Innermost first, as GGUF has it. */
  shape: readonly number[]
  type: 'f32' | 'f16'
  /** Its bytes in order, in pieces of any size. */
  data(): Iterable<Uint8Array>
}

const ALIGN = 32
const [UINT32, INT32, FLOAT32, STRING, ARRAY] = [4, 5, 6, 8, 9]
const TYPES = { f32: { id: 0, bytes: 4 }, f16: { id: 1, bytes: 2 } } as const

/** Writes GGUF version 3, a piece at a time: the file may be larger than memory. */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Promise<void> {
  const infos: Buffer[] = []
  let offset = 0
  for (const { name, shape, type } of tensors) {
    const dimensions = shape.map((size) => u64(size))
    infos.push(text(name), u32(shape.length), ...dimensions, u32(TYPES[type].id), u64(offset))
    offset += padded(sizeOf({ shape, type }))
  }
  const entries = Object.entries(metadata)
  const head = Buffer.concat([
    ...[Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length)],
    ...entries.flatMap(([key, value]) => [text(key), typed(value)]),
    ...infos,
  ])
  await using file = await open(path, 'wx')
  const write = async (bytes: Uint8Array) => {
    await file.write(bytes)
  }
  await write(head)
  await write(Buffer.alloc(padded(head.length) - head.length))
  for (const tensor of tensors) {
    for (const piece of tensor.data()) await write(piece)
    const size = sizeOf(tensor)
    await write(Buffer.alloc(padded(size) - size))
  }
}

function sizeOf({ shape, type }: Pick<GgufTensor, 'shape' | 'type'>): number {
  return shape.reduce((product, size) => product * size, TYPES[type].bytes)
}

function padded(size: number): number {
  return Math.ceil(size / ALIGN) * ALIGN
}

function typed(value: GgufValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([u32(STRING), text(value)])
  if (typeof value === 'number') return Buffer.concat([u32(UINT32), u32(value)])
  if (value instanceof Int32Array) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    return Buffer.concat([u32(ARRAY), u32(INT32), u64(value.length), bytes])
  }
  if ('float' in value) {
    const bytes = Buffer.alloc(4)
    bytes.writeFloatLE(value.float)
    return Buffer.concat([u32(FLOAT32), bytes])
  }
  return Buffer.concat([u32(ARRAY), u32(STRING), u64(value.length), ...value.map(text)])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}
