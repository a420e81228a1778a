import { sha256 } from '@noble/hashes/sha2.js'
import { concat, u32le } from '../bytes.ts'
import { encodeCanonical } from './canonical.ts'
import type { ValueOf } from './field.ts'
import {
  openField,
  type ReceiptBody,
  receiptBodyField,
  requestField,
  type SamplerSpec,
  samplerField,
} from './frames.ts'
import { taggedHash } from './hash.ts'

/** The terms of one answer, as both devices saw them. */
export interface Terms {
  open: ValueOf<typeof openField>
  /** H(n), from `ready`. */
  commit: Uint8Array
  /** The voucher inside is money, not terms: it is left out of every hash. */
  request: ValueOf<typeof requestField>
}

/** H(n): binds the lender to its half of the seed before it sees the borrower's. */
export function nonceCommit(n: Uint8Array): Uint8Array {
  return taggedHash('nonce', n)
}

export function promptHash(ids: readonly number[]): Uint8Array {
  return taggedHash('prompt', concat(...ids.map(u32le)))
}

/**
 * Seed of an answer's sampler, which neither side can choose alone:
 * SHA-256(tag ‖ b ‖ n ‖ reqId ‖ modelId ‖ H(promptIds) ‖ H(sampler)), length-framed.
 */
export function answerSeed(terms: Terms, n: Uint8Array): Uint8Array {
  const { open, request } = terms
  return taggedHash(
    'seed',
    request.b,
    n,
    open.reqId,
    open.modelId,
    promptHash(request.promptIds),
    samplerHash(request.sampler),
  )
}

function samplerHash(sampler: SamplerSpec): Uint8Array {
  return taggedHash('sampler', encodeCanonical(samplerField, sampler))
}

/** Names one answer: its open, the lender's commitment and the request. */
export function answerHash(terms: Terms): Uint8Array {
  return taggedHash(
    'answer',
    taggedHash('open', encodeCanonical(openField, terms.open)),
    terms.commit,
    taggedHash('request', encodeCanonical(requestField, { ...terms.request, voucher: null })),
  )
}

/** Running hash before the first token. */
export function firstRunningHash(answer: Uint8Array): Uint8Array {
  return taggedHash('run', answer)
}

/** Running hash after one more token: SHA-256(h ‖ u32le(id) ‖ lpCommit). */
export function nextRunningHash(h: Uint8Array, id: number, lpCommit: Uint8Array): Uint8Array {
  return sha256(concat(h, u32le(id), lpCommit))
}

/** Commits a lender to the log-probability of token `t` (1/1000 nat) without showing it. @returns 16 bytes */
export function lpCommitment(lpSalt: Uint8Array, t: number, lp: number): Uint8Array {
  return taggedHash('lp', lpSalt, u32le(t), u32le(-lp)).slice(0, 16)
}

/** What the lender signs every few tokens. */
export function signedHash(answer: Uint8Array, count: number, running: Uint8Array): Uint8Array {
  return taggedHash('signed', answer, u32le(count), running)
}

/** What the lender signs at the end. */
export function receiptHash(body: ReceiptBody): Uint8Array {
  return taggedHash('receipt', encodeCanonical(receiptBodyField, body))
}
