import { WireError } from '../errors.ts'

/**
 * How one value travels: to and from the plain data that CBOR carries. Decoding is strict: every
 * field states its limits, and whatever is outside of them is a `WireError` that names the field.
 */
export interface Field<T> {
  encode(value: T): unknown
  decode(raw: unknown, path: string): T
}

export type ValueOf<F> = F extends Field<infer T> ? T : never

function reject(path: string, why: string): never {
  throw new WireError({ what: `field ${path} is not acceptable`, why })
}

/** A whole number from 0 to `max` (at most 2^53 - 1). */
export function uint(max: number): Field<number> {
  return {
    encode: (value) => check(value, 'value'),
    decode: (raw, path) => check(raw, path),
  }
  function check(raw: unknown, path: string): number {
    if (typeof raw !== 'number' || !Number.isSafeInteger(raw)) reject(path, 'not a whole number')
    if (raw < 0 || raw > max) reject(path, `${raw} is not within 0..${max}`)
    return raw
  }
}

/** A whole number from `min` to `max`, either sign. */
export function int(min: number, max: number): Field<number> {
  const shifted = uint(max - min)
  return {
    encode: (value) => shifted.encode(value - min),
    decode: (raw, path) => shifted.decode(raw, path) + min,
  }
}

/** A byte string of exactly `length`, or of at most `max` bytes. */
export function bytes(size: number | { max: number }): Field<Uint8Array> {
  return {
    encode: (value) => check(value, 'value'),
    decode: (raw, path) => check(raw, path),
  }
  function check(raw: unknown, path: string): Uint8Array {
    if (!(raw instanceof Uint8Array)) reject(path, 'not a byte string')
    if (typeof size === 'number' && raw.length !== size) {
      reject(path, `${raw.length} bytes instead of ${size}`)
    }
    if (typeof size === 'object' && raw.length > size.max) {
      reject(path, `${raw.length} bytes are more than ${size.max}`)
    }
    return raw
  }
}

/** What a terminal or a page could be fooled with: control, bidi and line-breaking characters. */
const UNSEEMLY = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u

/** Text of at most `max` UTF-16 units, without control characters. */
export function text(max: number): Field<string> {
  return {
    encode: (value) => check(value, 'value'),
    decode: (raw, path) => check(raw, path),
  }
  function check(raw: unknown, path: string): string {
    if (typeof raw !== 'string') reject(path, 'not a text')
    if (raw.length > max) reject(path, `longer than ${max}`)
    // A peer's words end up in a terminal: no escape sequences, and one spelling only.
    if (UNSEEMLY.test(raw)) reject(path, 'contains control characters')
    if (!raw.isWellFormed()) reject(path, 'not well-formed')
    return raw
  }
}

export function bool(): Field<boolean> {
  const check = (raw: unknown, path: string) =>
    typeof raw === 'boolean' ? raw : reject(path, 'not true or false')
  return { encode: (value) => value, decode: check }
}

/** One of a few words. */
export function word<const T extends string>(...words: readonly T[]): Field<T> {
  return {
    encode: (value) => words.indexOf(value),
    decode: (raw, path) => words[uint(words.length - 1).decode(raw, path)] as T,
  }
}

/** A token amount: 0 to 2^128 - 1 in the token's smallest unit, 16 bytes big-endian. */
export function amount(): Field<bigint> {
  const inner = bytes(16)
  return {
    encode: (value) => {
      if (value < 0n || value >> 128n !== 0n) reject('value', 'amount outside uint128')
      const out = new Uint8Array(16)
      let rest = value
      for (let i = 15; i >= 0; i--, rest >>= 8n) out[i] = Number(rest & 0xffn)
      return out
    },
    decode: (raw, path) =>
      inner.decode(raw, path).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
  }
}

/** A number from 0 to infinity as it is computed with: IEEE 754 double, 8 bytes big-endian. */
export function measure(): Field<number> {
  const inner = bytes(8)
  return {
    encode: (value) => {
      // A negative zero would be a second spelling.
      if (!(value >= 0) || Object.is(value, -0)) reject('value', `${value} is no measure`)
      const out = new Uint8Array(8)
      new DataView(out.buffer).setFloat64(0, value)
      return out
    },
    decode: (raw, path) => {
      const data = inner.decode(raw, path)
      const value = new DataView(data.buffer, data.byteOffset, 8).getFloat64(0)
      if (!(value >= 0) || Object.is(value, -0)) reject(path, `${value} is no measure`)
      return value
    },
  }
}

export function optional<T>(field: Field<T>): Field<T | null> {
  return {
    encode: (value) => (value === null ? null : field.encode(value)),
    decode: (raw, path) => (raw === null ? null : field.decode(raw, path)),
  }
}

export function list<T>(field: Field<T>, max: number): Field<T[]> {
  return {
    encode: (values) => {
      if (values.length > max) reject('value', `${values.length} entries are more than ${max}`)
      return values.map((value) => field.encode(value))
    },
    decode: (raw, path) => {
      if (!Array.isArray(raw)) reject(path, 'not a list')
      if (raw.length > max) reject(path, `${raw.length} entries are more than ${max}`)
      return raw.map((entry, i) => field.decode(entry, `${path}[${i}]`))
    },
  }
}

type KindsOf<S> = { [K in keyof S]: { kind: K } & ValueOf<S[K]> }[keyof S]

/** One of several records by its name; sent as `[number, fields]`, numbered in declared order. */
export function union<S extends { [K in keyof S]: Field<ValueOf<S[K]>> }>(
  shapes: S,
): Field<KindsOf<S>> {
  const kinds = Object.keys(shapes) as (keyof S & string)[]
  const kindNumber = uint(kinds.length - 1)
  return {
    encode: (value) => [
      kinds.indexOf(value.kind as keyof S & string),
      (shapes[value.kind] as Field<unknown>).encode(value),
    ],
    decode: (raw, path) => {
      if (!Array.isArray(raw) || raw.length !== 2) reject(path, 'not a kind and its fields')
      const kind = kinds[kindNumber.decode(raw[0], `${path}.kind`)] as keyof S & string
      const fields = (shapes[kind] as Field<unknown>).decode(raw[1], kind) as object
      return { kind, ...fields } as KindsOf<S>
    },
  }
}

type Shape = Record<string, Field<never>>
type RecordOf<S> = { [K in keyof S]: ValueOf<S[K]> }

interface RecordInit {
  /** It is hashed, never sent: of a message that holds more, these fields alone. */
  isPart?: boolean | undefined
}

/**
 * Named fields, sent as a list in the order they are declared in. What has other fields besides is not sent: this
 * is the one place where bytes are made that leave, and nothing slips in there that the protocol does not name.
 */
export function record<S extends { [K in keyof S]: Field<ValueOf<S[K]>> }>(
  shape: S,
  { isPart = false }: RecordInit = {},
): Field<RecordOf<S>> {
  const entries = Object.entries(shape as unknown as Shape) as [string, Field<unknown>][]
  return {
    encode: (value) => {
      const foreign = Object.keys(value).find((key) => key !== 'kind' && !Object.hasOwn(shape, key))
      if (foreign !== undefined && !isPart) reject(foreign, 'the protocol has no such field')
      return entries.map(([key, field]) => field.encode((value as Record<string, unknown>)[key]))
    },
    decode: (raw, path) => {
      if (!Array.isArray(raw) || raw.length !== entries.length) {
        reject(path, `not ${entries.length} fields`)
      }
      const value: Record<string, unknown> = {}
      for (const [i, [key, field]] of entries.entries()) {
        value[key] = field.decode(raw[i], `${path}.${key}`)
      }
      return value as RecordOf<S>
    },
  }
}
