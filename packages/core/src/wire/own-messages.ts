import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { certificateField } from './certificate.ts'
import { record, type ValueOf } from './field.ts'

/** The one request of `/freehold/own/1`; the reply is an offer, or nothing. */

export const MAX_OWN_BYTES = 256

const ownRequestField = record({ certificate: certificateField })
export type OwnRequest = ValueOf<typeof ownRequestField>

export function encodeOwnRequest(message: OwnRequest): Uint8Array {
  return encodeCanonical(ownRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeOwnRequest(data: Uint8Array): OwnRequest {
  return decodeCanonical(ownRequestField, data, MAX_OWN_BYTES)
}
