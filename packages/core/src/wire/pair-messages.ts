import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { certificateField } from './certificate.ts'
import { bytes, list, optional, record, text, union, type ValueOf, word } from './field.ts'

/** Messages of `/freehold/pair/1`, in the order in which they come; docs/protocol.md says what each is for. */

export const MAX_PAIR_BYTES = 2_048
/** Addresses of one device in a grant, and characters of each. */
export const MAX_PAIR_ADDRESSES = 6
export const MAX_PAIR_ADDRESS_LENGTH = 256

const pairMessageField = union({
  refuse: record({ why: text(200) }),
  hello: record({ as: word('own', 'friend') }),
  commit: record({ commit: bytes(32) }),
  prove: record({ nonce: bytes(32), proof: bytes(32) }),
  reveal: record({ nonce: bytes(32) }),
  confirm: record({}),
  /** The owner's word for the other device, null between friends; and where the host stays reachable. */
  grant: record({
    certificate: optional(certificateField),
    addresses: list(text(MAX_PAIR_ADDRESS_LENGTH), MAX_PAIR_ADDRESSES),
  }),
  done: record({}),
})
export type PairMessage = ValueOf<typeof pairMessageField>

/** What two devices become to each other. */
export type PairedAs = Extract<PairMessage, { kind: 'hello' }>['as']

export function encodePairMessage(message: PairMessage): Uint8Array {
  return encodeCanonical(pairMessageField, message)
}

/** @throws WireError for anything that is not one canonical message within the limits */
export function decodePairMessage(data: Uint8Array): PairMessage {
  return decodeCanonical(pairMessageField, data, MAX_PAIR_BYTES)
}
