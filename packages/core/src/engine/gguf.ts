import { ModelError } from '../errors.ts'
import { ByteCursor } from './byte-cursor.ts'
import { TENSOR_BLOCKS, TYPE_ARRAY, TYPE_STRING, VALUE_BYTES } from './gguf-types.ts'

/** A list in the metadata; `at` is where its first element starts in the header's bytes. */
export interface GgufArray {
  readonly type: number
  readonly count: number
  readonly at: number
}

export type GgufValue = string | number | bigint | boolean | GgufArray

export interface GgufTensor {
  readonly name: string
  readonly type: number
  readonly dimensions: readonly number[]
  /** From the start of the file. */
  readonly offset: number
  readonly sizeBytes: number
}

/** All of a GGUF but its tensors' data. */
export interface GgufHeader {
  /** The bytes that were parsed; they may reach into the tensors. */
  readonly bytes: Uint8Array
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Where in `bytes` each metadata entry lies, its key included. */
  readonly spans: ReadonlyMap<string, readonly [from: number, to: number]>
  readonly tensors: readonly GgufTensor[]
  /** Where the tensors' entries begin: all before it is metadata. */
  readonly entriesOffset: number
  /** Where the tensors' data begin. */
  readonly dataOffset: number
}

/** Limits on what a stranger's file may claim. The largest real ones stay below a tenth of them. */
const MAX_ENTRIES = 10_000
const MAX_TENSORS = 100_000
const MAX_KEY_BYTES = 1024
const MAX_STRING_BYTES = 16 * 1024 * 1024
const MAX_ELEMENTS = 16 * 1024 * 1024
/** `GGML_MAX_NAME` with its closing zero, and `GGML_MAX_DIMS`. */
const MAX_TENSOR_NAME_BYTES = 63
const MAX_DIMENSIONS = 4
const DEFAULT_ALIGNMENT = 32
/** Before each string. */
const SIZE_BYTES = 8
const MAX_ALIGNMENT = 1024 * 1024

/** Thrown inside when `bytes` end before the header does; more of the file may cure it. */
export class HeaderCut extends Error {
  override name = 'HeaderCut'
}

/**
 * Parses a GGUF's header, strictly.
 * @param bytes the file's first bytes
 * @param fileBytes how long the file is
 * @throws HeaderCut when `bytes` are too few; ModelError when they are no sound GGUF
 */
export function parseGguf(bytes: Uint8Array, fileBytes: number): GgufHeader {
  const cursor = new ByteCursor(bytes, (what) => new HeaderCut(what))
  if (bytes.length < 4) throw new HeaderCut('magic')
  if (cursor.text(4) !== 'GGUF') refuse('it does not begin with the letters GGUF')
  const version = cursor.u32()
  if (version !== 2 && version !== 3) refuse(`its version is ${version}, and we read 2 and 3`)
  const tensorCount = bounded(cursor.size(), MAX_TENSORS, 'tensors')
  const entryCount = bounded(cursor.size(), MAX_ENTRIES, 'metadata entries')

  const metadata = new Map<string, GgufValue>()
  const spans = new Map<string, readonly [number, number]>()
  for (let index = 0; index < entryCount; index++) {
    const from = cursor.at
    const key = cursor.text(bounded(cursor.size(), MAX_KEY_BYTES, 'bytes of a metadata key'))
    if (key === '') refuse('a metadata key is empty')
    if (metadata.has(key)) refuse(`the metadata key ${key} is there twice`)
    metadata.set(key, readValue(cursor, cursor.u32(), key))
    spans.set(key, [from, cursor.at])
  }

  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT
  if (typeof alignment !== 'number' || !isPowerOfTwo(alignment) || alignment > MAX_ALIGNMENT) {
    refuse('its alignment is no power of two')
  }
  const entriesOffset = cursor.at
  const found = new Map<string, GgufTensor>()
  for (let index = 0; index < tensorCount; index++) {
    const tensor = readTensor(cursor)
    if (found.has(tensor.name)) refuse(`the tensor ${tensor.name} is there twice`)
    if (tensor.offset % alignment !== 0) refuse(`the tensor ${tensor.name} is not aligned`)
    found.set(tensor.name, tensor)
  }
  const dataOffset = Math.ceil(cursor.at / alignment) * alignment
  let expected = 0
  const tensors = [...found.values()].map((tensor) => {
    const offset = dataOffset + tensor.offset
    const end = offset + tensor.sizeBytes
    if (end > fileBytes) {
      const cut = `the file ends at byte ${fileBytes}, the tensor ${tensor.name} needs ${end}`
      throw new ModelError({
        what: 'the model file is cut off',
        why: cut,
        next: 'Fetch it again, or resume its download.',
      })
    }
    // As llama.cpp has it: one after the other, with no room between them.
    if (tensor.offset !== expected) refuse(`the tensor ${tensor.name} lies where none should`)
    expected += Math.ceil(tensor.sizeBytes / alignment) * alignment
    return { ...tensor, offset }
  })
  return { bytes, metadata, spans, tensors, entriesOffset, dataOffset }
}

/**
 * Reads the strings of the array under `key`; undefined when there is none.
 * @param as `bytes` gives one letter for each byte: in broken UTF-8, different strings stay different
 */
export function ggufStrings(header: GgufHeader, key: string): string[] | undefined {
  const value = header.metadata.get(key)
  if (typeof value !== 'object' || value.type !== TYPE_STRING) return undefined
  const cursor = cursorAt(header, value.at)
  return Array.from({ length: value.count }, () => cursor.text(cursor.size()))
}

/** Texts of a header where they lie: a hundred thousand strings would take megabytes. */
export interface PackedTexts {
  readonly count: number
  /** UTF-8. @param index below `count` */
  bytes(index: number): Uint8Array
}

/** The strings under `key`; what the header holds besides is not kept. */
export function ggufPackedTexts(header: GgufHeader, key: string): PackedTexts {
  const value = header.metadata.get(key)
  if (typeof value !== 'object' || value.type !== TYPE_STRING) {
    return { count: 0, bytes: () => new Uint8Array(0) }
  }
  const { count, at } = value
  const cursor = cursorAt(header, at)
  const ends = new Uint32Array(count + 1)
  for (let index = 1; index <= count; index++) {
    cursor.skip(cursor.size())
    ends[index] = cursor.at - at
  }
  const all = header.bytes.slice(at, cursor.at)
  const end = (index: number) => ends[index] as number
  return { count, bytes: (index) => all.subarray(end(index) + SIZE_BYTES, end(index + 1)) }
}

/** Reads the number or the numbers under `key`; undefined when there are none. */
export function ggufNumbers(header: GgufHeader, key: string): number[] | undefined {
  const value = header.metadata.get(key)
  if (typeof value === 'number' || typeof value === 'bigint') return [Number(value)]
  if (typeof value !== 'object' || value.type === TYPE_STRING) return undefined
  const cursor = cursorAt(header, value.at)
  return Array.from({ length: value.count }, () => Number(cursor.number(value.type)))
}

function cursorAt(header: GgufHeader, at: number): ByteCursor {
  const cursor = new ByteCursor(header.bytes, (what) => new HeaderCut(what))
  cursor.at = at
  return cursor
}

function readValue(cursor: ByteCursor, type: number, key: string): GgufValue {
  if (type === TYPE_STRING) {
    return cursor.text(bounded(cursor.size(), MAX_STRING_BYTES, `bytes in ${key}`))
  }
  if (type === TYPE_ARRAY) return readArray(cursor, key)
  return cursor.number(type) ?? refuse(`the value of ${key} has the unknown type ${type}`)
}

function readArray(cursor: ByteCursor, key: string): GgufArray {
  const type = cursor.u32()
  const count = bounded(cursor.size(), MAX_ELEMENTS, `elements in ${key}`)
  const array = { type, count, at: cursor.at }
  if (type === TYPE_STRING) {
    for (let index = 0; index < count; index++) {
      cursor.skip(bounded(cursor.size(), MAX_STRING_BYTES, `bytes of a string in ${key}`))
    }
  } else {
    const width = VALUE_BYTES.get(type)
    if (width === undefined) refuse(`the elements of ${key} have the unknown type ${type}`)
    cursor.skip(width * count)
  }
  return array
}

/** Reads one tensor's entry; its offset still counts from the start of the data. */
function readTensor(cursor: ByteCursor): GgufTensor {
  const name = cursor.text(bounded(cursor.size(), MAX_TENSOR_NAME_BYTES, 'bytes of a tensor name'))
  const count = bounded(cursor.u32(), MAX_DIMENSIONS, `dimensions of ${name}`)
  const dimensions = Array.from({ length: count }, () => cursor.size())
  const type = cursor.u32()
  const offset = cursor.size()
  const block = TENSOR_BLOCKS.get(type)
  if (block === undefined) return refuse(`the tensor ${name} has the unknown type ${type}`)
  const elements = dimensions.reduce((product, size) => product * size, 1)
  if (elements < 1 || !Number.isSafeInteger(elements)) refuse(`the size of ${name} makes no sense`)
  if ((dimensions[0] ?? 1) % block[0] !== 0) refuse(`the rows of ${name} hold no whole blocks`)
  return { name, type, dimensions, offset, sizeBytes: (elements / block[0]) * block[1] }
}

function bounded(value: number, limit: number, what: string): number {
  if (value > limit) refuse(`it claims ${value} ${what}, and more than ${limit} are not believed`)
  return value
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0
}

function refuse(why: string): never {
  throw new ModelError({
    what: 'the file is no sound GGUF',
    why,
    next: 'Fetch the model again, or choose another.',
  })
}
