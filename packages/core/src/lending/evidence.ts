import { equal } from '../bytes.ts'
import { verifyEd25519 } from '../identity/ed25519.ts'
import type { ReceiptBody } from '../wire/frames.ts'
import {
  answerHash,
  answerSeed,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  nonceCommit,
  receiptHash,
  signedHash,
  type Terms,
} from '../wire/transcript.ts'

/** The lender's latest signature over the running hash. */
export interface SignedState {
  count: number
  runningHash: Uint8Array
  sig: Uint8Array
}

/** What a finished answer ends with. */
export interface SignedReceipt {
  body: ReceiptBody
  sig: Uint8Array
  lpSalt: Uint8Array
  lps: number[]
}

/**
 * Everything that anyone with the model needs to judge an answer: the terms, the lender's half of
 * the seed, the tokens and its signatures. Broken-off answers have no receipt but are evidence too.
 */
export interface Evidence {
  /** Lender's device key. */
  lender: Uint8Array
  terms: Terms
  n: Uint8Array
  /** Tokens in order; those beyond `signed.count` are nobody's word. */
  ids: number[]
  lpCommits: Uint8Array[]
  signed: SignedState | null
  receipt: SignedReceipt | null
}

export function evidenceSeed(evidence: Evidence): Uint8Array {
  return answerSeed(evidence.terms, evidence.n)
}

/**
 * Whether the lender really said what the evidence holds: commitment, running hash, signatures,
 * and the opened log-probabilities. Needs no model.
 * @returns what does not hold, or null
 */
export async function checkEvidence(evidence: Evidence): Promise<string | null> {
  const { terms, n, ids, lpCommits, signed, receipt, lender } = evidence
  if (!equal(nonceCommit(n), terms.commit)) return 'n does not match its commitment'
  if (signed === null) return 'nothing is signed'
  if (lpCommits.length !== ids.length) return 'commitments and tokens differ in number'
  if (signed.count > ids.length) return 'more tokens signed than there are'
  const answer = answerHash(terms)
  let running = firstRunningHash(answer)
  for (let t = 0; t < signed.count; t++) {
    running = nextRunningHash(running, ids[t] as number, lpCommits[t] as Uint8Array)
  }
  if (!equal(running, signed.runningHash)) return 'the running hash does not match the tokens'
  const hash = signedHash(answer, signed.count, running)
  if (!(await verifyEd25519(signed.sig, hash, lender))) return 'the signature is not the lender’s'
  return receipt === null ? null : checkReceipt(evidence, receipt, answer)
}

async function checkReceipt(
  { n, ids, lpCommits, signed, lender, terms }: Evidence,
  { body, sig, lpSalt, lps }: SignedReceipt,
  answer: Uint8Array,
): Promise<string | null> {
  if (!equal(body.answerHash, answer)) return 'the receipt is for another answer'
  if (!equal(body.n, n)) return 'the receipt names another n'
  if (!equal(body.offerHash, terms.open.offerHash)) return 'the receipt names another offer'
  if (!isSameId(body.channelId, terms.open.channelId)) return 'the receipt names another channel'
  if (body.count !== ids.length || body.count !== signed?.count) {
    return 'the receipt counts other tokens'
  }
  if (!equal(body.runningHash, signed.runningHash)) return 'the receipt has another running hash'
  if (!(await verifyEd25519(sig, receiptHash(body), lender))) {
    return 'the receipt’s signature is not the lender’s'
  }
  if (lps.length !== ids.length) return 'the receipt opens other log-probabilities'
  const isOpened = lps.every((lp, t) =>
    equal(lpCommitment(lpSalt, t, lp), lpCommits[t] as Uint8Array),
  )
  return isOpened ? null : 'a log-probability does not match its commitment'
}

function isSameId(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equal(a, b)
}
