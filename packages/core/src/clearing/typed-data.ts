import {
  type Address,
  concatHex,
  domainSeparator,
  getTypesForEIP712Domain,
  type Hex,
  hashStruct,
  hashTypedData,
  keccak256,
  parseSignature,
  signatureToCompactSignature,
  type TypedDataDefinition,
  toBytes,
} from 'viem'

/** Immutable terms of a channel; the contract knows it by their hash alone. */
export interface ChannelConfig {
  payer: Address
  /** Key that signs vouchers; an EOA that holds nothing. */
  signer: Address
  payee: Address
  /** Seconds between the payer's wish to leave and its leaving, 15 minutes to 30 days. */
  delay: number
  /** Bit 0: may take part in set-offs. */
  flags: number
  salt: Hex
}

/** One ClearingHouse on one chain; binds every hash and signature of clearing. */
export interface House {
  chainId: number
  address: Address
}

function domain(house: House) {
  return {
    name: 'Freehold ClearingHouse',
    version: '1',
    chainId: house.chainId,
    verifyingContract: house.address,
  } as const
}

const channelTypes = {
  ChannelConfig: [
    { name: 'payer', type: 'address' },
    { name: 'signer', type: 'address' },
    { name: 'payee', type: 'address' },
    { name: 'delay', type: 'uint40' },
    { name: 'flags', type: 'uint8' },
    { name: 'salt', type: 'bytes32' },
  ],
} as const

const voucherTypes = {
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'cumulativeAmount', type: 'uint128' },
  ],
} as const

/** EIP-712 hash of the config in the house's domain: binds chain, contract and every term. */
export function channelIdOf(house: House, config: ChannelConfig): Hex {
  return hashTypedData({
    domain: domain(house),
    types: channelTypes,
    primaryType: 'ChannelConfig',
    message: config,
  })
}

/** What a payer signs to owe `cumulative` token units over the channel's whole life. */
export function voucherTypedData(house: House, channelId: Hex, cumulative: bigint) {
  return {
    domain: domain(house),
    types: voucherTypes,
    primaryType: 'Voucher',
    message: { channelId, cumulativeAmount: cumulative },
  } as const
}

/** The 66 bytes whose keccak256 is what a voucher's signer signs: 0x1901 ‖ domain ‖ struct (EIP-712). */
export function voucherPreimage(house: House, channelId: Hex, cumulative: bigint): Hex {
  const { types, primaryType, ...data } = voucherTypedData(house, channelId, cumulative)
  const withDomain = { EIP712Domain: getTypesForEIP712Domain(data), ...types }
  const struct = hashStruct({ data: data.message, primaryType, types: withDomain })
  return concatHex(['0x1901', domainSeparator(data), struct])
}

export function voucherDigest(house: House, channelId: Hex, cumulative: bigint): Hex {
  return hashTypedData(voucherTypedData(house, channelId, cumulative))
}

/** What the contract's other signatures are over; `relayer` and `fee` are what submitting it earns. */
const orderTypes = {
  /** By the payee: up to this total the channel's debt may be set off, until the deadline. */
  Acknowledgement: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'cumulativeAmount', type: 'uint128' },
    { name: 'deadline', type: 'uint256' },
  ],
  /** By the payer, with how often it called an exit of the channel off. */
  RequestClose: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'cancelledExits', type: 'uint16' },
    { name: 'deadline', type: 'uint256' },
  ],
  OpenFromBalance: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'amount', type: 'uint128' },
    { name: 'relayer', type: 'address' },
    { name: 'fee', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
  TopUpFromBalance: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'amount', type: 'uint128' },
    { name: 'relayer', type: 'address' },
    { name: 'fee', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
  Withdraw: [
    { name: 'account', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'amount', type: 'uint256' },
    { name: 'relayer', type: 'address' },
    { name: 'fee', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/** Names of what an account signs for anyone to submit. */
export type OrderName = keyof typeof orderTypes

/** What an account signs for anyone to submit. Deadlines are Unix seconds, amounts token units. */
export type Order<Name extends OrderName> = TypedDataDefinition<typeof orderTypes, Name>

/** An order in the house's domain: for this contract on this chain and no other. */
export function orderTypedData<Name extends OrderName>(
  house: House,
  primaryType: Name,
  message: Order<Name>['message'],
): Order<Name> {
  return { domain: domain(house), types: orderTypes, primaryType, message } as Order<Name>
}

/** What the signer of an order signs. */
export function orderDigest<Name extends OrderName>(order: Order<Name>): Hex {
  return hashTypedData(order as TypedDataDefinition)
}

/** A signature in the two words of EIP-2098, as a set-off takes it: it costs less. */
export function compactSignature(signature: Hex): { r: Hex; vs: Hex } {
  const { r, yParityAndS } = signatureToCompactSignature(parseSignature(signature))
  return { r, vs: yParityAndS }
}

/** EIP-3009: how a token's owner lets somebody else submit its transfer into the house. */
export const receiveAuthorizationTypes = {
  ReceiveWithAuthorization: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' },
    { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** keccak256 of a text, for the contract's nonce tags. */
export function tagHash(text: string): Hex {
  return keccak256(toBytes(text))
}
