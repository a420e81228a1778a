import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import {
  type Address,
  concatHex,
  type EncodeFunctionDataParameters,
  encodeFunctionData,
  getAddress,
  type Hex,
  isAddressEqual,
  keccak256,
  numberToHex,
  recoverTypedDataAddress,
  type TypedDataDefinition,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { from0x, to0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'
import { readConfig } from './config-message.ts'
import { depositNonce, topUpNonce } from './funding-nonces.ts'
import { channelIdOf, type House, orderTypedData } from './typed-data.ts'
import { requireSoundSignature } from './voucher.ts'

/** An order and what it is signed for: this house, and this relayer to be paid. */
export interface OrderFor {
  house: House
  relayer: Address
  order: SignedOrder
}

/** In place of a signature that is still to be made. */
export const UNSIGNED: Uint8Array = new Uint8Array(65)

/** Whose money an order moves, and who must have signed it. */
export function accountOf(order: SignedOrder): Address {
  return getAddress(to0x('config' in order ? order.config.payer : order.account))
}

/** The channel that an order is about. */
export function channelOf(house: House, order: SignedOrder): Hex | null {
  return 'config' in order ? channelIdOf(house, readConfig(order.config)) : null
}

/** Token units that its relayer gets; leaving is free. */
export function feeOf(order: SignedOrder): bigint {
  return 'fee' in order ? order.fee : 0n
}

/** The EIP-712 data that an order is signed over; null where it is another's, or nobody's, to sign. */
export function typedOrder({ house, relayer, order }: OrderFor): TypedDataDefinition | null {
  if (order.kind === 'depositFromWallet' || order.kind === 'topUpFromWallet') return null
  if (order.kind === 'finalizeClose') return null
  const deadline = BigInt(order.deadline)
  if (order.kind === 'withdraw') {
    const { amount, fee, nonce } = order
    const [account, to] = [accountOf(order), to0x(order.to)]
    const message = { account, to, amount, relayer, fee, nonce: BigInt(nonce), deadline }
    return orderTypedData(house, 'Withdraw', message) as TypedDataDefinition
  }
  const channelId = channelIdOf(house, readConfig(order.config))
  if (order.kind === 'requestClose') {
    const { cancelledExits } = order
    const message = { channelId, cancelledExits, deadline }
    return orderTypedData(house, 'RequestClose', message) as TypedDataDefinition
  }
  const { amount, fee } = order
  const message = { channelId, amount, relayer, fee, deadline }
  if (order.kind === 'openFromLedger') {
    return orderTypedData(house, 'OpenFromBalance', message) as TypedDataDefinition
  }
  const withNonce = { ...message, nonce: BigInt(order.nonce) }
  return orderTypedData(house, 'TopUpFromBalance', withNonce) as TypedDataDefinition
}

/** The EIP-3009 nonce of an order out of the wallet, which names what the money is for; else null. */
export function fundingNonce({ house, relayer, order }: OrderFor): Hex | null {
  if (order.kind === 'depositFromWallet') {
    return depositNonce(to0x(order.salt), relayer, order.fee)
  }
  if (order.kind !== 'topUpFromWallet') return null
  const id = channelIdOf(house, readConfig(order.config))
  return topUpNonce(id, order.amount, to0x(order.salt))
}

type Call = Pick<EncodeFunctionDataParameters<typeof clearingHouseAbi>, 'functionName' | 'args'>

/** The contract's call that an order is submitted by. */
export function orderCall({ relayer, order }: Omit<OrderFor, 'house'>): Required<Call> {
  if (order.kind === 'finalizeClose') {
    return { functionName: 'finalizeClose', args: [readConfig(order.config)] }
  }
  const [signature, deadline] = [to0x(order.signature), BigInt(order.deadline)]
  if (order.kind === 'requestClose') {
    const args = [readConfig(order.config), deadline, signature] as const
    return { functionName: 'requestCloseWithSignature', args }
  }
  const { amount, fee } = order
  const relay = { relayer, fee, deadline }
  if (order.kind === 'withdraw') {
    const args = [accountOf(order), to0x(order.to), amount, relay, signature] as const
    return { functionName: 'withdrawWithSignature', args }
  }
  if (order.kind === 'depositFromWallet') {
    const args = [accountOf(order), amount, to0x(order.salt), relay, signature] as const
    return { functionName: 'depositWithAuthorization', args }
  }
  const config = readConfig(order.config)
  if (order.kind === 'topUpFromWallet') {
    const args = [config, amount, to0x(order.salt), 0n, deadline, signature] as const
    return { functionName: 'topUpWithAuthorization', args }
  }
  const functionName =
    order.kind === 'openFromLedger'
      ? 'openFromBalanceWithSignature'
      : 'topUpFromBalanceWithSignature'
  return { functionName, args: [config, amount, relay, signature] }
}

/** Names an order whatever its signature's bytes are: a malleable twin is the same order. */
export function orderId({ house, relayer, order }: OrderFor): Hex {
  const bare = { ...order, ...('signature' in order && { signature: new Uint8Array() }) }
  const call = orderCall({ relayer, order: bare as SignedOrder })
  const data = encodeFunctionData({ abi: clearingHouseAbi, ...call } as never)
  // The contract knows which nonce, or exit, is next; a call does not say it.
  const turn = 'nonce' in order ? order.nonce : 'cancelledExits' in order ? order.cancelledExits : 0
  const words = [turn, house.chainId]
  const head = words.map((word) => numberToHex(word, { size: 32 }))
  return keccak256(concatHex([...head, house.address, data]))
}

/** Signs what the wallet's own EIP-712 keys sign. EIP-3009 needs the token's domain: see the chain. */
export async function signOrder(
  wallet: PrivateKeyAccount,
  { house, relayer, order }: OrderFor,
): Promise<SignedOrder> {
  const typed = typedOrder({ house, relayer, order })
  if (typed === null) return order
  const signature = from0x(await wallet.signTypedData(typed))
  return { ...order, signature } as SignedOrder
}

/**
 * Checks who signed an order, without asking the chain. What a token's own domain signs, and what needs
 * nobody's word, is left to the simulation.
 * @throws ClearingError when somebody else did, or it is for another chain, contract, relayer or fee
 */
export async function requireSigned(signed: OrderFor): Promise<void> {
  const typed = typedOrder(signed)
  const { order } = signed
  if (typed === null || !('signature' in order)) return
  const fail = (why: string): never => {
    throw new ClearingError({ what: 'the order does not hold', why })
  }
  requireSoundSignature(order.signature)
  const signature = to0x(order.signature)
  const by = await recoverTypedDataAddress({ ...typed, signature }).catch(() =>
    fail('its signature cannot be read'),
  )
  if (!isAddressEqual(by, accountOf(order))) {
    fail('its account did not sign it, or for another chain, contract, relayer or fee')
  }
}
