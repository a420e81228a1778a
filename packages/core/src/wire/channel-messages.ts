import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { amount, bytes, optional, record, text, uint, type ValueOf, word } from './field.ts'
import { voucherField } from './frames.ts'

/** Messages of `/freehold/channel/1`: one from the payer, one answer, then the stream ends. */

const MAX_MESSAGE_BYTES = 4_096

/** A channel's terms. */
export const configField = record({
  payer: bytes(20),
  signer: bytes(20),
  payee: bytes(20),
  delay: uint(30 * 24 * 3_600),
  flags: uint(1),
  salt: bytes(32),
})
export type ConfigMessage = ValueOf<typeof configField>

const channelRequestField = record({
  /** The channel that this is about, whole, so that the payee need not search the chain. */
  config: optional(configField),
  /** With `config`: an EIP-3009 leave that the payee may submit to open the channel. */
  leave: optional(
    record({
      amount: amount(),
      validAfter: uint(Number.MAX_SAFE_INTEGER),
      validBefore: uint(Number.MAX_SAFE_INTEGER),
      signature: bytes({ max: 65 }),
    }),
  ),
  /** A voucher that could not be handed over on its own answer's stream. */
  voucher: optional(voucherField),
})
export type ChannelRequest = ValueOf<typeof channelRequestField>

const channelReplyField = record({
  result: word('ok', 'refused'),
  why: text(200),
  /** Transaction that opened the channel, when the payee submitted one. */
  transaction: optional(bytes(32)),
  relayFee: amount(),
  /** Highest voucher that the payee holds, for a payer that proved itself and may have lost its disk. */
  highest: optional(record({ cumulative: amount(), signature: bytes(65) })),
})
export type ChannelReply = ValueOf<typeof channelReplyField>

export function encodeChannelRequest(message: ChannelRequest): Uint8Array {
  return encodeCanonical(channelRequestField, message)
}

export function decodeChannelRequest(data: Uint8Array): ChannelRequest {
  return decodeCanonical(channelRequestField, data, MAX_MESSAGE_BYTES)
}

export function encodeChannelReply(message: ChannelReply): Uint8Array {
  return encodeCanonical(channelReplyField, message)
}

export function decodeChannelReply(data: Uint8Array): ChannelReply {
  return decodeCanonical(channelReplyField, data, MAX_MESSAGE_BYTES)
}
