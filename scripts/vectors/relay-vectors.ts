import { filled, TEST_PHRASE } from '../../packages/core/src/answer.fixture.ts'
import { from0x } from '../../packages/core/src/bytes.ts'
import { configMessage } from '../../packages/core/src/clearing/config-message.ts'
import { fundingNonce, signOrder, typedOrder } from '../../packages/core/src/clearing/orders.ts'
import {
  channelIdOf,
  type House,
  type Order,
  type OrderName,
  orderDigest,
  voucherDigest,
} from '../../packages/core/src/clearing/typed-data.ts'
import { signVoucher } from '../../packages/core/src/clearing/voucher.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'
import { makeRelayOrders } from '../../packages/core/src/wire/relay-messages.fixture.ts'
import {
  encodeRelayReply,
  encodeRelayRequest,
  type RelayReply,
  type RelayRequest,
} from '../../packages/core/src/wire/relay-messages.ts'

const HOUSE: House = { chainId: 31_337, address: '0x2e234DAe75C793f67A35089C9d99245E1C58470b' }

/** Orders of one account, handed to the device that its channel pays. */
export async function relayVectors() {
  const payer = await deriveIdentity(TEST_PHRASE, 0)
  const relayer = await deriveIdentity(TEST_PHRASE, 1)
  const terms = {
    ...{ payer: payer.wallet.address, signer: payer.voucherSigner.address },
    ...{ payee: relayer.wallet.address, delay: 172_800, flags: 1, salt: payer.channelSalt(0) },
  }
  const { config, orders } = makeRelayOrders(configMessage(terms))
  const base = { chainId: HOUSE.chainId, house: from0x(HOUSE.address) }
  const requests = await Promise.all(
    orders.map(async (bare) => {
      const about = { house: HOUSE, relayer: relayer.wallet.address }
      const order = await signOrder(payer.wallet, { ...about, order: bare })
      const typed = typedOrder({ ...about, order })
      const digest = typed && orderDigest(typed as Order<OrderName>)
      const request: RelayRequest = { ...base, settleFirst: [], order }
      const authorizationNonce = fundingNonce({ ...about, order })
      return { ...shown(request), digest, authorizationNonce }
    }),
  )
  // What the account earned on a channel that pays it, settled first.
  const earning = { ...terms, payer: terms.payee, payee: terms.payer }
  const id = channelIdOf(HOUSE, earning)
  const row = {
    config: configMessage(earning),
    cumulative: 99n,
    signature: await signVoucher(payer.voucherSigner, { house: HOUSE, id }, 99n),
  }
  const [first] = requests
  if (first === undefined) throw new Error('there is no order')
  const settling: RelayRequest = { ...first.fields, settleFirst: [row] }
  const replies: RelayReply[] = [
    { kind: 'refuse', why: 'it is expired', leastFee: null },
    { kind: 'refuse', why: 'the fee is too low', leastFee: 2n ** 128n - 1n },
    { kind: 'submitted', transaction: filled(32, 0x7a) },
  ]
  return {
    house: HOUSE,
    config,
    requests: [...requests, { ...shown(settling), voucherDigest: voucherDigest(HOUSE, id, 99n) }],
    replies: replies.map((reply) => ({ fields: reply, bytes: encodeRelayReply(reply) })),
  }
}

function shown(request: RelayRequest) {
  return { fields: request, bytes: encodeRelayRequest(request) }
}
