import { type Hex, recoverAddress } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { isAddressEqual } from 'viem/utils'
import { from0x, to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { ChannelRecord } from './channel.ts'
import { orderDigest, orderTypedData } from './typed-data.ts'
import { requireSoundSignature, type VoucherOf } from './voucher.ts'

/** A payee's word that a channel may be set off, in whatever ring: see docs/protocol.md, Set-off. */
export interface Acknowledgement {
  /** Up to this total over the channel's whole life; the voucher beside it is over the same. */
  total: bigint
  /** Unix seconds. */
  deadline: number
  /** 65 bytes r ‖ s ‖ v. */
  signature: Uint8Array
}

/** Signs with the payee's account. */
export async function signAcknowledgement(
  payee: PrivateKeyAccount,
  channel: Pick<ChannelRecord, 'house' | 'id'>,
  { total, deadline }: Omit<Acknowledgement, 'signature'>,
): Promise<Acknowledgement> {
  const order = acknowledgementOf(channel, total, deadline)
  return { total, deadline, signature: from0x(await payee.signTypedData(order)) }
}

/** Checks that the channel's payee signed exactly this. @throws ClearingError when it did not */
export async function checkAcknowledgement(
  channel: VoucherOf,
  { total, deadline, signature }: Acknowledgement,
): Promise<void> {
  const hash = orderDigest(acknowledgementOf(channel, total, deadline))
  const by = await signerOf(hash, signature)
  if (!isAddressEqual(by, channel.config.payee)) refuse(`${by} signed it`)
}

async function signerOf(hash: Hex, signature: Uint8Array) {
  try {
    requireSoundSignature(signature)
    return await recoverAddress({ hash, signature: to0x(signature) })
  } catch (cause) {
    return refuse('its signature cannot be read', cause)
  }
}

function acknowledgementOf(
  { house, id }: Pick<ChannelRecord, 'house' | 'id'>,
  total: bigint,
  deadline: number,
) {
  return orderTypedData(house, 'Acknowledgement', {
    channelId: id,
    cumulativeAmount: total,
    deadline: BigInt(deadline),
  })
}

function refuse(why: string, cause?: unknown): never {
  throw new ClearingError({ what: 'the acknowledgement does not hold', why, cause })
}
