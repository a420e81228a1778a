import { filled } from '../answer.fixture.ts'
import type { ConfigMessage } from './channel-messages.ts'
import type { SignedOrder } from './relay-messages.ts'

/** One order of each kind over one channel; its signatures are none. */
export function makeRelayOrders(
  config: ConfigMessage = {
    payer: filled(20, 1),
    signer: filled(20, 2),
    payee: filled(20, 3),
    delay: 172_800,
    flags: 1,
    salt: filled(32, 4),
  },
): { config: ConfigMessage; orders: SignedOrder[] } {
  const { payer: account, payee: to } = config
  const signed = { deadline: 2_000_000_000, signature: filled(65, 5) }
  const paid = { amount: 123_456_789n, fee: 7n, ...signed }
  const [nonce, salt] = [5, filled(32, 0x5a)]
  return {
    config,
    orders: [
      { kind: 'withdraw', account, to, nonce, ...paid },
      { kind: 'openFromLedger', config, ...paid },
      { kind: 'topUpFromLedger', config, nonce, ...paid },
      { kind: 'topUpFromWallet', config, salt, ...paid },
      { kind: 'depositFromWallet', account, salt, ...paid },
      { kind: 'requestClose', config, cancelledExits: 3, ...signed },
      { kind: 'finalizeClose', config },
    ],
  }
}
