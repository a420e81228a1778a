/** A relayer of which a test says each word: it makes a real offer, and does with an order what it is told. */
import { from0x } from '@freehold/core/bytes'
import type { Chain } from '@freehold/core/clearing/chain'
import { createRpcChain } from '@freehold/core/clearing/rpc-chain'
import { makeOffer } from '@freehold/core/device/offers'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { OFFER_PROTOCOL, RELAY_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { encodeOffer } from '@freehold/core/wire/offer'
import {
  decodeRelayRequest,
  encodeRelayReply,
  MAX_RELAY_BYTES,
  type RelayReply,
  type SignedOrder,
} from '@freehold/core/wire/relay-messages'
import { tcp } from '@libp2p/tcp'
import type { Address } from 'viem'
import type { DevChain } from '../chain/dev-chain.ts'
import { TCP, termsOn } from './town.fixture.ts'

export interface FakeRelayer extends AsyncDisposable {
  address: string
  account: Address
  chain: Chain
  /** What it was handed. */
  orders: SignedOrder[]
}

/** @param answer what it says to an order; null: nothing, and it keeps the stream open */
export async function createFakeRelayer(
  { dev, relayFee }: { dev: DevChain; relayFee: number },
  answer: (order: SignedOrder, self: FakeRelayer) => Promise<RelayReply | null>,
): Promise<FakeRelayer> {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const mesh = await createMesh({ identity, listen: [TCP] }, { transports: [tcp()], log: () => {} })
  const { address: account } = identity.wallet
  await dev.fund(account, '1')
  const ending = Promise.withResolvers<void>()
  const payment = { ...termsOn(dev.settings, { relayFee }), payee: from0x(account) }
  await mesh.handle(OFFER_PROTOCOL, async (stream) => {
    const addresses = mesh.addresses()
    const terms = { models: [], payment, addresses, nowMs: Date.now(), lifeMs: 300_000 }
    const messages = messagesOver(stream, 1)
    await messages.write(encodeOffer(await makeOffer(identity, terms)))
    await messages.close()
  })
  await mesh.handle(RELAY_PROTOCOL, async (stream) => {
    const messages = messagesOver(stream, MAX_RELAY_BYTES)
    const data = await messages.read()
    if (data === null) return
    const { order } = decodeRelayRequest(data)
    self.orders.push(order)
    const reply = await answer(order, self)
    if (reply === null) return ending.promise
    await messages.write(encodeRelayReply(reply))
    await messages.close()
  })
  const self: FakeRelayer = {
    address: mesh.addresses()[0] ?? '',
    account,
    chain: createRpcChain(dev.settings, { account: identity.wallet, clock: systemClock }),
    orders: [],
    [Symbol.asyncDispose]: async () => {
      ending.resolve()
      await mesh[Symbol.asyncDispose]()
    },
  }
  return self
}
