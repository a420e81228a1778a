import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { configField } from './channel-messages.ts'
import { amount, bytes, list, optional, record, text, uint, union, type ValueOf } from './field.ts'

/**
 * Messages of `/freehold/relay/1`: one order that somebody signed, one answer, then the stream ends.
 * The relayer whom an order names is the account that the relayer's offer is paid to.
 */

export const MAX_RELAY_BYTES = 8_192

/** Channels whose earnings are settled before one order. */
export const MAX_SETTLED_FIRST = 8

const seconds = uint(Number.MAX_SAFE_INTEGER)
/** By a plain key, as the contract takes it. */
const signature = bytes(65)

/** What is signed for anyone to submit. Amounts in token units, deadlines in seconds since 1970. */
const orderField = union({
  /** The contract's `Withdraw`. */
  withdraw: record({
    account: bytes(20),
    to: bytes(20),
    amount: amount(),
    fee: amount(),
    nonce: uint(Number.MAX_SAFE_INTEGER),
    deadline: seconds,
    signature,
  }),
  /** `OpenFromBalance`. */
  openFromLedger: record({
    config: configField,
    amount: amount(),
    fee: amount(),
    deadline: seconds,
    signature,
  }),
  /** `TopUpFromBalance`. */
  topUpFromLedger: record({
    config: configField,
    amount: amount(),
    fee: amount(),
    nonce: uint(Number.MAX_SAFE_INTEGER),
    deadline: seconds,
    signature,
  }),
  /** An EIP-3009 authorisation, valid after 0, that the payee of the channel may submit; the fee is owed on the channel. */
  topUpFromWallet: record({
    config: configField,
    amount: amount(),
    fee: amount(),
    salt: bytes(32),
    deadline: seconds,
    signature,
  }),
  /** An EIP-3009 authorisation, valid after 0, into the account's ledger balance. */
  depositFromWallet: record({
    account: bytes(20),
    amount: amount(),
    fee: amount(),
    salt: bytes(32),
    deadline: seconds,
    signature,
  }),
  /** `RequestClose`; free. */
  requestClose: record({
    config: configField,
    cancelledExits: uint(0xffff),
    deadline: seconds,
    signature,
  }),
  /** Nobody's word is needed after the delay; free. */
  finalizeClose: record({ config: configField }),
})
export type SignedOrder = ValueOf<typeof orderField>

const relayRequestField = record({
  chainId: uint(Number.MAX_SAFE_INTEGER),
  house: bytes(20),
  /** Vouchers that pay the account, to be settled before its order: what they bring may pay for it. */
  settleFirst: list(
    record({ config: configField, cumulative: amount(), signature }),
    MAX_SETTLED_FIRST,
  ),
  order: orderField,
})
export type RelayRequest = ValueOf<typeof relayRequestField>

const relayReplyField = union({
  refuse: record({
    why: text(200),
    /** What it would take it for now, when the fee is what is wrong. */
    leastFee: optional(amount()),
  }),
  /** It is in a block, says the relayer. */
  submitted: record({ transaction: bytes(32) }),
})
export type RelayReply = ValueOf<typeof relayReplyField>

export function encodeRelayRequest(message: RelayRequest): Uint8Array {
  return encodeCanonical(relayRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeRelayRequest(data: Uint8Array): RelayRequest {
  return decodeCanonical(relayRequestField, data, MAX_RELAY_BYTES)
}

export function encodeRelayReply(message: RelayReply): Uint8Array {
  return encodeCanonical(relayReplyField, message)
}

/** @throws WireError for anything that is not one canonical reply within the limits */
export function decodeRelayReply(data: Uint8Array): RelayReply {
  return decodeCanonical(relayReplyField, data, MAX_RELAY_BYTES)
}
