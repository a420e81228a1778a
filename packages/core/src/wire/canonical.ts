import { decode, encode } from 'cborg'
import { equal } from '../bytes.ts'
import { WireError } from '../errors.ts'
import type { Field } from './field.ts'

/**
 * Deterministic CBOR (RFC 8949 §4.2): one value has exactly one encoding. Decoding encodes again
 * and compares, so bytes that merely mean the same are refused.
 */
export function encodeCanonical<T>(field: Field<T>, value: T): Uint8Array {
  return encode(field.encode(value))
}

/** @throws WireError when `data` is larger than `maxBytes`, malformed, outside limits or not canonical */
export function decodeCanonical<T>(field: Field<T>, data: Uint8Array, maxBytes: number): T {
  if (data.length > maxBytes) {
    throw new WireError({ what: 'message is too large', why: `${data.length} > ${maxBytes} bytes` })
  }
  let raw: unknown
  try {
    raw = decode(data, { strict: true, allowIndefinite: false, allowUndefined: false })
  } catch (cause) {
    throw new WireError({ what: 'message is not CBOR', cause })
  }
  const value = field.decode(raw, 'message')
  if (!equal(encodeCanonical(field, value), data)) {
    throw new WireError({ what: 'message is not in its canonical encoding' })
  }
  return value
}
