import type { Hex } from 'viem'
import { from0x } from '../bytes.ts'
import { checkAcknowledgement } from './acknowledgement.ts'
import type { Debt } from './chain.ts'
import { channelIdOf, type House } from './typed-data.ts'
import { checkVoucher } from './voucher.ts'

/**
 * Checks that both sides of a channel signed this debt; whether the channel is there and covers it,
 * the chain says.
 * @returns the channel's id
 * @throws ClearingError when a signature is not the one it should be
 */
export async function checkDebt(house: House, debt: Debt): Promise<Hex> {
  const { config, total, deadline, voucher, acknowledgement } = debt
  const channel = { house, config, id: channelIdOf(house, config) }
  await checkVoucher(channel, total, from0x(voucher))
  await checkAcknowledgement(channel, { total, deadline, signature: from0x(acknowledgement) })
  return channel.id
}
