import { concat } from '../bytes.ts'
import { TYPE_ARRAY, TYPE_STRING, VALUE_BYTES } from './gguf-types.ts'

/** What a field of a header means; a mutation draws the kind first, so that long lists do not drown the rest. */
type Kind = 'count' | 'length' | 'type' | 'number' | 'dimension' | 'offset' | 'text'

interface Field {
  readonly at: number
  readonly bytes: number
}

/** A sound GGUF and where everything lies in its header. */
export interface MutationBase {
  readonly bytes: Uint8Array
  /** How much of the file follows `bytes`. */
  readonly tailBytes: number
  readonly headerBytes: number
  readonly fields: ReadonlyMap<Kind, readonly Field[]>
  /** Whole metadata entries. */
  readonly entries: readonly (readonly [from: number, to: number])[]
}

export interface MutatedGguf {
  bytes: Uint8Array
  /** How long the file is said to be. */
  fileBytes: number
}

/** Draws a number from 0 to 1. */
type Dice = () => number

/** Values that counts, sizes and offsets break at. */
const EDGES = [
  ...[0n, 1n, 2n, 3n, 7n, 31n, 32n, 255n, 256n, 65_535n, 65_536n, 99_999n, 100_001n],
  ...[2n ** 24n - 1n, 2n ** 24n, 2n ** 24n + 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
  ...[2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
]

const MOST_EDITS = 4

/**
 * Finds the fields of a sound GGUF's header.
 * @param file the file's first bytes, at least its header
 */
export function mutationBase(file: Uint8Array, tailBytes = 0): MutationBase {
  // A Buffer's slice would be no copy.
  const bytes = new Uint8Array(file)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields = new Map<Kind, Field[]>()
  const entries: [number, number][] = []
  let at = 4
  const note = (kind: Kind, size: number): number => {
    const list = fields.get(kind)
    if (list !== undefined) list.push({ at, bytes: size })
    else fields.set(kind, [{ at, bytes: size }])
    at += size
    return at - size
  }
  const u32 = (kind: Kind) => view.getUint32(note(kind, 4), true)
  const u64 = (kind: Kind) => Number(view.getBigUint64(note(kind, 8), true))
  const text = () => {
    const size = u64('length')
    if (size > 0) note('text', size)
  }
  const value = (type: number): void => {
    if (type === TYPE_STRING) text()
    else if (type !== TYPE_ARRAY) note('number', VALUE_BYTES.get(type) ?? 0)
    else {
      const inner = u32('type')
      for (let left = u64('count'); left > 0; left--) value(inner)
    }
  }
  u32('type')
  const tensors = u64('count')
  for (let left = u64('count'); left > 0; left--) {
    const from = at
    text()
    value(u32('type'))
    entries.push([from, at])
  }
  for (let index = 0; index < tensors; index++) {
    text()
    for (let left = u32('count'); left > 0; left--) u64('dimension')
    u32('type')
    u64('offset')
  }
  return { bytes, tailBytes, headerBytes: at, fields, entries }
}

/**
 * Makes a file that no longer is what it was: lying fields, cut, doubled and swapped parts, the
 * head of one with the tail of another.
 * @param init.keepsLength leaves everything where it is, so that the tensors are still found
 */
export function mutateGguf(
  bases: readonly MutationBase[],
  dice: Dice,
  init: { keepsLength?: boolean } = {},
): MutatedGguf {
  const base = pick(bases, dice)
  const fileBytes = base.bytes.length + base.tailBytes
  const mutated: MutatedGguf = { bytes: base.bytes.slice(), fileBytes }
  const edits = init.keepsLength ? IN_PLACE : [...IN_PLACE, ...RESHAPING]
  for (let left = 1 + below(MOST_EDITS, dice); left > 0; left--) {
    pick(edits, dice)({ mutated, base, bases, dice })
  }
  return mutated
}

interface EditInit {
  mutated: MutatedGguf
  base: MutationBase
  bases: readonly MutationBase[]
  dice: Dice
}

type Edit = (init: EditInit) => void

const lie: Edit = ({ mutated, base, dice }) => {
  const field = pick(pick([...base.fields.values()], dice), dice)
  if (field.at + field.bytes > mutated.bytes.length) return
  const { bytes } = mutated
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (field.bytes > 8) bytes[field.at + below(field.bytes, dice)] = below(256, dice)
  else if (field.bytes < 8) {
    let value = anyValue(BigInt(bytes[field.at] ?? 0), dice)
    for (let i = 0; i < field.bytes; i++, value >>= 8n) bytes[field.at + i] = Number(value & 255n)
  } else view.setBigUint64(field.at, anyValue(view.getBigUint64(field.at, true), dice), true)
}

const flip: Edit = ({ mutated: { bytes }, base, dice }) => {
  for (let left = 1 + below(8, dice); left > 0; left--) {
    const at = below(Math.min(base.headerBytes, bytes.length), dice)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8, dice))
  }
}

const fill: Edit = ({ mutated: { bytes }, base, dice }) => {
  const from = below(base.headerBytes, dice)
  bytes.fill(pick([0, 255, 0x20, 0x80], dice), from, from + 1 + below(64, dice))
}

const swap: Edit = ({ mutated, base, dice }) => {
  const [[from, to], [other, end]] = [pick(base.entries, dice), pick(base.entries, dice)]
  const [first, second] = [base.bytes.slice(from, to), base.bytes.slice(other, end)]
  if (end > mutated.bytes.length || to > mutated.bytes.length) return
  // Entries of one length only trade places; others overwrite what follows.
  mutated.bytes.set(second.subarray(0, mutated.bytes.length - from), from)
  if (first.length === second.length) mutated.bytes.set(first, other)
}

const cut: Edit = ({ mutated, dice }) => {
  mutated.bytes = mutated.bytes.subarray(0, below(mutated.bytes.length + 1, dice))
  mutated.fileBytes = mutated.bytes.length
}

const remove: Edit = ({ mutated, dice }) => {
  const from = below(mutated.bytes.length + 1, dice)
  const to = from + below(1 << below(13, dice), dice)
  mutated.fileBytes -= mutated.bytes.subarray(from, to).length
  mutated.bytes = concat(mutated.bytes.subarray(0, from), mutated.bytes.subarray(to))
}

const double: Edit = ({ mutated, base, dice }) => {
  const [from, to] = pick(base.entries, dice)
  const { bytes } = mutated
  mutated.bytes = concat(bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to))
  mutated.fileBytes += mutated.bytes.length - bytes.length
}

const splice: Edit = ({ mutated, bases, dice }) => {
  const other = pick(bases, dice)
  const [at, from] = [below(mutated.bytes.length + 1, dice), below(other.headerBytes, dice)]
  mutated.bytes = concat(mutated.bytes.subarray(0, at), other.bytes.subarray(from))
  mutated.fileBytes = mutated.bytes.length + other.tailBytes
}

const lieAboutSize: Edit = ({ mutated, dice }) => {
  mutated.fileBytes = pick([0, 4, below(mutated.fileBytes + 1, dice), 2 ** 31, 2 ** 52], dice)
}

const IN_PLACE: readonly Edit[] = [lie, lie, lie, flip, fill, swap]
const RESHAPING: readonly Edit[] = [cut, remove, double, splice, lieAboutSize]

function anyValue(old: bigint, dice: Dice): bigint {
  const way = below(4, dice)
  if (way === 0) return pick(EDGES, dice)
  if (way === 1) return BigInt.asUintN(64, old + BigInt(below(9, dice) - 4))
  if (way === 2) return old ^ (1n << BigInt(below(64, dice)))
  return BigInt(below(64, dice))
}

function below(limit: number, dice: Dice): number {
  return Math.floor(dice() * limit)
}

function pick<Item>(from: readonly Item[], dice: Dice): Item {
  return from[below(from.length, dice)] as Item
}
