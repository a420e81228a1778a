import { WireError } from '../errors.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { certificateField } from './certificate.ts'
import { bytes, list, measure, record, text, union, type ValueOf } from './field.ts'
import { lpMilli, openField, requestField, signedField, tokenId } from './frames.ts'
import { MAX_ANSWER_TOKENS } from './limits.ts'
import { profileField } from './profile.ts'

/**
 * Messages of `/freehold/audit/1`: one request from a device of the same owner, one reply, then the
 * stream ends.
 */

/** The longest prompt and answer with their commitments fit, with room. */
export const MAX_AUDIT_REQUEST_BYTES = 1 << 20
export const MAX_AUDIT_REPLY_BYTES = 512 * 1024

const auditRequestField = record({
  /** That the asker is a device of the same owner. */
  certificate: certificateField,
  /** Lender's device key. */
  lender: bytes(32),
  open: openField,
  commit: bytes(32),
  /** Without its voucher. */
  request: requestField,
  n: bytes(32),
  /** The signed tokens, and commitments to their log-probabilities; never what opens these. */
  ids: list(tokenId, MAX_ANSWER_TOKENS),
  lpCommits: list(bytes(16), MAX_ANSWER_TOKENS),
  signed: signedField,
})
export type AuditRequest = ValueOf<typeof auditRequestField>

const auditReplyField = union({
  refuse: record({ why: text(200) }),
  replayed: record({
    /** Of the model that it was replayed on, read from all its bytes. */
    manifestHash: bytes(32),
    profile: profileField,
    seconds: measure(),
    /** What the auditor's logits say of each token; no verdict: the asker draws it. */
    positions: list(
      record({
        /** Infinity: the token is no candidate. */
        margin: measure(),
        gap: measure(),
        lpMilli,
      }),
      MAX_ANSWER_TOKENS,
    ),
  }),
})
export type AuditReply = ValueOf<typeof auditReplyField>

export function encodeAuditRequest(message: AuditRequest): Uint8Array {
  return encodeCanonical(auditRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeAuditRequest(data: Uint8Array): AuditRequest {
  const message = decodeCanonical(auditRequestField, data, MAX_AUDIT_REQUEST_BYTES)
  if (message.request.voucher === null) return message
  throw new WireError({ what: 'a voucher is no part of an audit' })
}

export function encodeAuditReply(message: AuditReply): Uint8Array {
  return encodeCanonical(auditReplyField, message)
}

/** @throws WireError for anything that is not one canonical reply within the limits */
export function decodeAuditReply(data: Uint8Array): AuditReply {
  return decodeCanonical(auditReplyField, data, MAX_AUDIT_REPLY_BYTES)
}
