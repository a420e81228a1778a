import { toHex } from '../bytes.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'
import { accountOf, channelOf, fundingNonce, type OrderFor } from './orders.ts'

/**
 * What the contract takes once: of all orders of one slot, whoever has them, one can happen at most.
 * So a device may hand the same wish to several relayers.
 */
export function slotOf(signed: OrderFor): string {
  const { house, order } = signed
  const funding = fundingNonce(signed)
  if (funding !== null) return `authorization ${funding}`
  if (order.kind === 'withdraw' || order.kind === 'topUpFromLedger') {
    return `account ${accountOf(order)} ${house.address} ${order.nonce}`
  }
  const id = channelOf(house, order)
  if (order.kind === 'requestClose') return `exit ${id} ${order.cancelledExits}`
  return `${order.kind === 'openFromLedger' ? 'open' : 'end'} ${id}`
}

/** What is wanted, whoever is paid for it and however long it holds. */
export function wishOf(order: SignedOrder): string {
  const parts = Object.entries(order).filter(
    ([name]) => !['fee', 'deadline', 'signature'].includes(name),
  )
  return JSON.stringify(parts, (_, value) => {
    if (value instanceof Uint8Array) return toHex(value)
    return typeof value === 'bigint' ? value.toString() : value
  })
}
