import {
  type Address,
  concatHex,
  domainSeparator,
  getTypesForEIP712Domain,
  type Hex,
  hashStruct,
  hashTypedData,
  keccak256,
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
