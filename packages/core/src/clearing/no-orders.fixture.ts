import { ClearingError } from '../errors.ts'
import type { ChainOrders } from './chain.ts'

const unused = async (): Promise<never> => {
  throw new ClearingError({ what: 'this chain takes no orders' })
}

/** A chain's side of orders for tests that sign none; it knows a price of gas. */
export const NO_ORDERS: ChainOrders = {
  timeSeconds: unused,
  nonce: unused,
  cancelledExits: unused,
  authorize: unused,
  weiPerGas: async () => 1n,
  simulate: unused,
  submit: unused,
  isDone: unused,
  shows: unused,
}
