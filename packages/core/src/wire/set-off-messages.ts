import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { configField } from './channel-messages.ts'
import { amount, bytes, list, record, text, uint, union, type ValueOf, word } from './field.ts'
import { taggedHash } from './hash.ts'

/** Messages of `/freehold/set-off/1`: one request, one reply, then the stream ends. */

/** The longest lists of either fit, with room. */
export const MAX_SET_OFF_BYTES = 16_384

/** Debtors that one request asks for, and channels that one reply speaks of. */
export const MAX_DEBTORS = 64
export const MAX_SET_OFF_CHANNELS = 16

/** Debts in one ring. */
const MAX_RING = 3

const deadline = uint(Number.MAX_SAFE_INTEGER)

const debtField = record({
  config: configField,
  /** Of the voucher, and of the acknowledgement. */
  total: amount(),
  deadline,
  voucher: bytes(65),
  acknowledgement: bytes(65),
})
export type DebtMessage = ValueOf<typeof debtField>

const setOffRequestField = union({
  /** By somebody who pays the other: asks for its acknowledgements, and for what closes a ring. */
  ask: record({
    salt: bytes(16),
    /** Of accounts that owe the asker, by `debtorHash`; none where no ring of three is wished for. */
    debtors: list(bytes(32), MAX_DEBTORS),
  }),
  /** Channels by which debtors that the other matched pay the asker: what the chain shows anybody. */
  close: record({ channels: list(configField, MAX_SET_OFF_CHANNELS) }),
  /** Asks a member of a ring to submit it: for somebody who has no native coin. */
  submit: record({ ring: list(debtField, MAX_RING), amount: amount() }),
})
export type SetOffRequest = ValueOf<typeof setOffRequestField>

const setOffReplyField = union({
  refuse: record({ why: text(200) }),
  answer: record({
    /** Of channels on which the asker pays the one that answers. */
    acknowledgements: list(
      record({
        channelId: bytes(32),
        total: amount(),
        deadline,
        signature: bytes(65),
        /** Whether the asker may pass it on into rings of three. */
        reach: word('pairs', 'friends'),
      }),
      MAX_SET_OFF_CHANNELS,
    ),
    /** Of the asker's debtors those whom the one that answers owes. */
    matches: list(bytes(32), MAX_SET_OFF_CHANNELS),
  }),
  /** What the one that answers owes to the payers of these channels. */
  closing: record({ debts: list(debtField, MAX_SET_OFF_CHANNELS) }),
  submitted: record({ transaction: bytes(32) }),
})
export type SetOffReply = ValueOf<typeof setOffReplyField>

/**
 * How an asker names a debtor to somebody who may owe it: whoever does not know the account learns
 * it neither. (Who goes through all accounts of a chain does.) @param account 20 bytes
 */
export function debtorHash(salt: Uint8Array, account: Uint8Array): Uint8Array {
  return taggedHash('debtor', salt, account)
}

export function encodeSetOffRequest(message: SetOffRequest): Uint8Array {
  return encodeCanonical(setOffRequestField, message)
}

/** @throws WireError for anything that is not one canonical request within the limits */
export function decodeSetOffRequest(data: Uint8Array): SetOffRequest {
  return decodeCanonical(setOffRequestField, data, MAX_SET_OFF_BYTES)
}

export function encodeSetOffReply(message: SetOffReply): Uint8Array {
  return encodeCanonical(setOffReplyField, message)
}

/** @throws WireError for anything that is not one canonical reply within the limits */
export function decodeSetOffReply(data: Uint8Array): SetOffReply {
  return decodeCanonical(setOffReplyField, data, MAX_SET_OFF_BYTES)
}
