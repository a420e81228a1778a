import { getAddress } from 'viem'
import { from0x, to0x } from '../bytes.ts'
import type { ConfigMessage } from '../wire/channel-messages.ts'
import type { ChannelConfig } from './typed-data.ts'

/** A channel's terms as they travel. */
export function configMessage(config: ChannelConfig): ConfigMessage {
  const { payer, signer, payee, delay, flags, salt } = config
  const [from, by, to] = [from0x(payer), from0x(signer), from0x(payee)]
  return { payer: from, signer: by, payee: to, delay, flags, salt: from0x(salt) }
}

/** The terms that another device sent. */
export function readConfig(message: ConfigMessage): ChannelConfig {
  const { payer, signer, payee, delay, flags, salt } = message
  const address = (bytes: Uint8Array) => getAddress(to0x(bytes))
  return {
    payer: address(payer),
    signer: address(signer),
    payee: address(payee),
    delay,
    flags,
    salt: to0x(salt),
  }
}
