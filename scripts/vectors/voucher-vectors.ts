import { TEST_PHRASE } from '../../packages/core/src/answer.fixture.ts'
import { to0x } from '../../packages/core/src/bytes.ts'
import {
  type ChannelConfig,
  channelIdOf,
  type House,
  voucherDigest,
} from '../../packages/core/src/clearing/typed-data.ts'
import { openNonce } from '../../packages/core/src/clearing/viem-chain.ts'
import { signVoucher } from '../../packages/core/src/clearing/voucher.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'

/** Where the contract's own test deploys its ClearingHouse. */
const HOUSE: House = { chainId: 31_337, address: '0x2e234DAe75C793f67A35089C9d99245E1C58470b' }
const AMOUNTS = [1n, 123_456_789n, 2n ** 128n - 1n]

export async function voucherVectors() {
  const payer = await deriveIdentity(TEST_PHRASE, 0)
  const payee = await deriveIdentity(TEST_PHRASE, 1)
  const config: ChannelConfig = {
    payer: payer.wallet.address,
    signer: payer.voucherSigner.address,
    payee: payee.wallet.address,
    delay: 172_800,
    flags: 1,
    salt: payer.channelSalt(0),
  }
  const id = channelIdOf(HOUSE, config)
  const vouchers = await Promise.all(
    AMOUNTS.map(async (cumulative) => ({
      cumulative,
      digest: voucherDigest(HOUSE, id, cumulative),
      signature: to0x(await signVoucher(payer.voucherSigner, { house: HOUSE, id }, cumulative)),
    })),
  )
  return { house: HOUSE, config, channelId: id, openNonce: openNonce(id), vouchers }
}

/** The same as constants, for the contract's tests. */
export function voucherConstants(vectors: Awaited<ReturnType<typeof voucherVectors>>): string {
  const { house, config, channelId, openNonce: nonce, vouchers } = vectors
  const rows = vouchers.map(
    ({ cumulative, digest, signature }, i) => `
    uint128 internal constant AMOUNT_${i} = ${cumulative};
    bytes32 internal constant DIGEST_${i} = ${digest};
    bytes internal constant SIGNATURE_${i} =
        hex"${signature.slice(2)}";
`,
  )
  return `// SPDX-License-Identifier: Apache-2.0
// Generated from vectors/voucher.json by scripts/vectors.ts; do not edit.
pragma solidity 0.8.37;

library VoucherVectors {
    uint256 internal constant CHAIN_ID = ${house.chainId};
    address internal constant HOUSE = ${house.address};
    address internal constant PAYER = ${config.payer};
    address internal constant SIGNER = ${config.signer};
    address internal constant PAYEE = ${config.payee};
    uint40 internal constant DELAY = ${config.delay};
    uint8 internal constant FLAGS = ${config.flags};
    bytes32 internal constant SALT = ${config.salt};
    bytes32 internal constant CHANNEL_ID = ${channelId};
    bytes32 internal constant OPEN_NONCE = ${nonce};
${rows.join('')}}
`
}
