import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { certificateField } from './certificate.ts'
import { bool, bytes, list, optional, record, text, uint, type ValueOf } from './field.ts'
import { taggedHash } from './hash.ts'
import {
  MAX_OFFER_ADDRESSES,
  MAX_OFFER_BYTES,
  MAX_OFFER_MODELS,
  MAX_PRICE,
  MAX_PROMPT_TOKENS,
  MAX_VOCABULARY,
} from './limits.ts'
import { profileField } from './profile.ts'

const WEEK_MS = 7 * 24 * 3_600_000

/** Prices per million tokens in the token's smallest unit. */
export const pricesField = record({
  prompt: uint(MAX_PRICE),
  cached: uint(MAX_PRICE),
  output: uint(MAX_PRICE),
})
export type Prices = ValueOf<typeof pricesField>

export const offeredModelField = record({
  modelId: bytes(32),
  manifestHash: bytes(32),
  templateHash: bytes(32),
  name: text(96),
  contextTokens: uint(1 << 24),
  vocabSize: uint(MAX_VOCABULARY),
  profile: profileField,
})
export type OfferedModel = ValueOf<typeof offeredModelField>

const paymentField = record({
  chainId: uint(Number.MAX_SAFE_INTEGER),
  house: bytes(20),
  token: bytes(20),
  /** Where the ClearingHouse credits what this lender earns. */
  payee: bytes(20),
  /** The wallet account's EIP-191 signature over `payeeHash`; the device's side is the offer's own. */
  payeeSig: bytes(65),
  leastExitDelaySeconds: uint(30 * 24 * 3_600),
  prices: pricesField,
  /** Signed and unpaid output tokens at which the lender stops. */
  windowTokens: uint(4_096),
  /** Longest prompt served to a borrower without history, in tokens. */
  promptCapTokens: uint(MAX_PROMPT_TOKENS),
  holdBackMs: uint(WEEK_MS),
  /** Whether the lender submits EIP-3009 openings to itself and orders of others, and its fee for each. */
  relaysOpening: bool(),
  relayFee: uint(MAX_PRICE),
})
export type OfferedPayment = ValueOf<typeof paymentField>

const bodyFields = {
  certificate: certificateField,
  models: list(offeredModelField, MAX_OFFER_MODELS),
  /** null: answers are free. */
  payment: optional(paymentField),
  addresses: list(text(256), MAX_OFFER_ADDRESSES),
  issuedAtMs: uint(Number.MAX_SAFE_INTEGER),
  expiresAtMs: uint(Number.MAX_SAFE_INTEGER),
}
const bodyField = record(bodyFields, { isPart: true })
export type OfferBody = ValueOf<typeof bodyField>

/** A lender's signed statement of what it serves, for how much, until when. */
export const offerField = record({ ...bodyFields, sig: bytes(64) })
export type Offer = ValueOf<typeof offerField>

/** What the device key signs, and the name of the offer in every answer. @returns 32 bytes */
export function offerHash(offer: OfferBody): Uint8Array {
  return taggedHash('offer', encodeCanonical(bodyField, offer))
}

/** What the payee's wallet account signs (EIP-191), so that nobody can name another's account. */
export function payeeHash(device: Uint8Array, payee: Uint8Array): Uint8Array {
  return taggedHash('payee', device, payee)
}

export function encodeOffer(offer: Offer): Uint8Array {
  return encodeCanonical(offerField, offer)
}

/** Decodes only; whether the signatures hold and the offer is in time is `checkOffer`'s word. */
export function decodeOffer(data: Uint8Array): Offer {
  return decodeCanonical(offerField, data, MAX_OFFER_BYTES)
}
