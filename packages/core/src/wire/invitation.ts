import { base64urlnopad } from '@scure/base'
import { WireError } from '../errors.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { bytes, list, optional, record, text, uint, type ValueOf } from './field.ts'
import { MAX_INVITATION_ADDRESSES, MAX_INVITATION_BYTES, MAX_INVITATION_NAME } from './limits.ts'

const invitationField = record({
  /** Device key: whoever answers at the addresses must prove it, so the link needs no signature. */
  device: bytes(32),
  addresses: list(text(256), MAX_INVITATION_ADDRESSES),
  /** What its owner calls the device. */
  name: optional(text(MAX_INVITATION_NAME)),
  /** null: as long as the device is there. */
  expiresAtMs: optional(uint(Number.MAX_SAFE_INTEGER)),
})
/** Where a device can be met, and the key that it will prove there. */
export type Invitation = ValueOf<typeof invitationField>

const SCHEME = 'freehold:'
/** Characters of a link of the longest invitation. */
const MAX_LINK = SCHEME.length + Math.ceil((MAX_INVITATION_BYTES * 4) / 3)

/** @returns a link: `freehold:` and the canonical encoding in base64url */
export function encodeInvitation(invitation: Invitation): string {
  const data = encodeCanonical(invitationField, invitation)
  if (data.length <= MAX_INVITATION_BYTES) return SCHEME + base64urlnopad.encode(data)
  throw new WireError({
    what: 'the invitation is too large',
    why: `${data.length} > ${MAX_INVITATION_BYTES} bytes`,
    next: 'Name fewer addresses',
  })
}

/** @throws WireError when it is no invitation, or has no address; whether it is in time is not looked at */
export function decodeInvitation(link: string): Invitation {
  const trimmed = link.slice(0, MAX_LINK + 2).trim()
  if (!trimmed.startsWith(SCHEME) || link.length > MAX_LINK + 2) throw notOne('it is no such link')
  const invitation = decodeCanonical(
    invitationField,
    bytesOf(trimmed.slice(SCHEME.length)),
    MAX_INVITATION_BYTES,
  )
  if (invitation.addresses.length === 0) throw notOne('it names no address')
  return invitation
}

function bytesOf(encoded: string): Uint8Array {
  try {
    return base64urlnopad.decode(encoded)
  } catch (cause) {
    throw notOne('its letters are not base64url', cause)
  }
}

function notOne(why: string, cause?: unknown): WireError {
  const next = 'It begins with freehold: and comes whole from `freehold invite`'
  return new WireError({ what: 'this is no invitation', why, next, cause })
}
