import { type Address, encodeAbiParameters, type Hex, keccak256 } from 'viem'
import { tagHash } from './typed-data.ts'

/** EIP-3009 nonce of a channel's opening: it binds every term, so nobody can swap one under way. */
export function openNonce(channelId: Hex): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes32' }],
      [tagHash('Freehold ClearingHouse open'), channelId],
    ),
  )
}

/** EIP-3009 nonce of a top-up. @param salt tells apart top-ups of the same amount */
export function topUpNonce(channelId: Hex, amount: bigint, salt: Hex): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes32' }, { type: 'uint128' }, { type: 'bytes32' }],
      [tagHash('Freehold ClearingHouse top-up'), channelId, amount, salt],
    ),
  )
}

/** EIP-3009 nonce of a deposit into the ledger. @param salt tells apart deposits of the same fee */
export function depositNonce(salt: Hex, relayer: Address, fee: bigint): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'bytes32' }, { type: 'address' }, { type: 'uint256' }],
      [tagHash('Freehold ClearingHouse deposit'), salt, relayer, fee],
    ),
  )
}
