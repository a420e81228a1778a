import { describe, expect, it } from 'vitest'
import { TEST_PHRASE } from '../answer.fixture.ts'
import { deriveIdentity } from '../identity/identity.ts'
import { makeRelayOrders } from '../wire/relay-messages.fixture.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'
import { HOUSE } from './channel.fixture.ts'
import { configMessage } from './config-message.ts'
import { slotOf, wishOf } from './order-slot.ts'
import { accountOf, orderId, requireSigned, signOrder } from './orders.ts'

const identity = await deriveIdentity(TEST_PHRASE, 0)
const { wallet, voucherSigner } = identity
const relayer = (await deriveIdentity(TEST_PHRASE, 1)).wallet.address
const config = configMessage({
  ...{ payer: wallet.address, signer: voucherSigner.address, payee: relayer },
  ...{ delay: 172_800, flags: 1, salt: identity.channelSalt(0) },
})
const { orders } = makeRelayOrders(config)
const house = HOUSE
const OURS = ['withdraw', 'openFromLedger', 'topUpFromLedger', 'requestClose']
const others = { ...house, chainId: house.chainId + 1 }

describe('orders', () => {
  it.each(orders.map((order) => [order.kind, order] as const))(
    'default: %s is signed, or left to who signs it',
    async (kind, bare) => {
      expect(accountOf(bare)).toBe(wallet.address)
      const order = await signOrder(wallet, { house, relayer, order: bare })
      expect(order !== bare).toBe(OURS.includes(kind))
      await requireSigned({ house, relayer, order })
      if (!OURS.includes(kind)) return
      // A wish to leave names no relayer: whoever submits it gets nothing.
      const elsewhere = requireSigned({ house: others, relayer, order })
      await expect(elsewhere).rejects.toThrow(/did not sign it/)
      const stolen = requireSigned({ house, relayer: wallet.address, order })
      if (kind === 'requestClose') await stolen
      else await expect(stolen).rejects.toThrow(/did not sign it/)
    },
  )

  it('behaviour: an order is named by all that is signed, and not by its signature', () => {
    const ids = orders.map((order) => orderId({ house, relayer, order }))
    expect(new Set(ids).size).toBe(orders.length)
    const unsigned = orders.map((order) =>
      'signature' in order ? { ...order, signature: new Uint8Array(65) } : order,
    )
    expect(unsigned.map((order) => orderId({ house, relayer, order }))).toEqual(ids)
    const elsewhere = orders.map((order) => orderId({ house: others, relayer, order }))
    for (const id of elsewhere) expect(ids).not.toContain(id)
    // The same withdrawal once more is another order.
    const [first] = orders as [SignedOrder & { kind: 'withdraw' }]
    expect(ids).not.toContain(orderId({ house, relayer, order: { ...first, nonce: 6 } }))
    const leaving = orders[5] as SignedOrder & { kind: 'requestClose' }
    expect(ids).not.toContain(orderId({ house, relayer, order: { ...leaving, cancelledExits: 4 } }))
    const dearer = orders.filter((order) => 'fee' in order)
    for (const order of dearer) {
      const other = { ...order, fee: order.fee + 1n }
      // What is owed on a channel is no part of what the contract hears.
      const isSame = order.kind === 'topUpFromWallet'
      expect(ids.includes(orderId({ house, relayer, order: other }))).toBe(isSame)
    }
  })

  it('behaviour: a wish is the same for any relayer and fee; a slot is what happens once', () => {
    const slots = orders.map((order) => slotOf({ house, relayer, order }))
    // Withdrawals and top-ups from the ledger share the account's nonces.
    expect(slots[0]).toBe(slots[2])
    expect(new Set(slots).size).toBe(orders.length - 1)
    const [first] = orders as [SignedOrder & { kind: 'withdraw' }]
    const cheaper = { ...first, fee: 1n, deadline: 1, signature: new Uint8Array(65) }
    expect(wishOf(cheaper)).toBe(wishOf(first))
    expect(wishOf({ ...first, amount: 1n })).not.toBe(wishOf(first))
    expect(slotOf({ house, relayer, order: { ...first, nonce: 6 } })).not.toBe(slots[0])
    // A deposit is tied to its relayer: another one's would be another deposit.
    const deposit = orders[4] as SignedOrder
    expect(slotOf({ house, relayer: wallet.address, order: deposit })).not.toBe(slots[4])
  })
})
