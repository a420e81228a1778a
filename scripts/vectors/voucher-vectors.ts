import { filled, TEST_PHRASE } from '../../packages/core/src/answer.fixture.ts'
import { to0x } from '../../packages/core/src/bytes.ts'
import {
  depositNonce,
  openNonce,
  topUpNonce,
} from '../../packages/core/src/clearing/funding-nonces.ts'
import {
  type ChannelConfig,
  channelIdOf,
  compactSignature,
  type House,
  type Order,
  type OrderName,
  orderDigest,
  orderTypedData,
  voucherDigest,
} from '../../packages/core/src/clearing/typed-data.ts'
import { signVoucher } from '../../packages/core/src/clearing/voucher.ts'
import { deriveIdentity } from '../../packages/core/src/identity/identity.ts'

/** Where the contract's own test deploys its ClearingHouse. */
const HOUSE: House = { chainId: 31_337, address: '0x2e234DAe75C793f67A35089C9d99245E1C58470b' }
const AMOUNTS = [1n, 123_456_789n, 2n ** 128n - 1n] as const
const DEADLINE = 2_000_000_000n
const SALT = to0x(filled(32, 0x5a))

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
  const relay = { relayer: payee.wallet.address, fee: 7n, deadline: DEADLINE }
  const to = payee.wallet.address
  const [account, amount] = [payer.wallet.address, AMOUNTS[1]]
  const from = { channelId: id, amount }
  const orders = await Promise.all([
    signed(payee.wallet, 'Acknowledgement', {
      channelId: id,
      cumulativeAmount: amount,
      deadline: DEADLINE,
    }),
    signed(payer.wallet, 'RequestClose', { channelId: id, cancelledExits: 3, deadline: DEADLINE }),
    signed(payer.wallet, 'OpenFromBalance', { ...from, ...relay }),
    signed(payer.wallet, 'TopUpFromBalance', { ...from, ...relay, nonce: 5n }),
    signed(payer.wallet, 'Withdraw', { account, to, amount, ...relay, nonce: 5n }),
  ])
  const nonces = {
    topUp: topUpNonce(id, amount, SALT),
    deposit: depositNonce(SALT, relay.relayer, relay.fee),
  }
  return {
    house: HOUSE,
    config,
    channelId: id,
    openNonce: openNonce(id),
    salt: SALT,
    nonces,
    vouchers,
    orders,
  }
}

/** An order, its digest, and its signature in 65 bytes and in the 64 of EIP-2098. */
async function signed<Name extends OrderName>(
  key: { address: string; signTypedData(order: Order<Name>): Promise<`0x${string}`> },
  type: Name,
  message: Order<Name>['message'],
) {
  const order = orderTypedData(HOUSE, type, message)
  const signature = await key.signTypedData(order)
  const { r, vs } = compactSignature(signature)
  const compact = `${r}${vs.slice(2)}`
  return { type, message, digest: orderDigest(order), signer: key.address, signature, compact }
}

/** The same as constants, for the contract's tests. */
export function voucherConstants(vectors: Awaited<ReturnType<typeof voucherVectors>>): string {
  const { house, config, channelId, openNonce: nonce, salt, nonces, vouchers, orders } = vectors
  const rows = vouchers.map(
    ({ cumulative, digest, signature }, i) => `
    uint128 internal constant AMOUNT_${i} = ${cumulative};
    bytes32 internal constant DIGEST_${i} = ${digest};
    bytes internal constant SIGNATURE_${i} =
        hex"${signature.slice(2)}";
`,
  )
  const signatures = orders.map(
    ({ type, digest, signature, compact }) => `
    bytes32 internal constant ${constantName(type)}_DIGEST = ${digest};
    bytes internal constant ${constantName(type)}_SIGNATURE =
        hex"${signature.slice(2)}";
    bytes internal constant ${constantName(type)}_COMPACT =
        hex"${compact.slice(2)}";
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
    bytes32 internal constant NONCE_SALT = ${salt};
    bytes32 internal constant TOP_UP_NONCE = ${nonces.topUp};
    bytes32 internal constant DEPOSIT_NONCE = ${nonces.deposit};
    uint256 internal constant DEADLINE = ${DEADLINE};
${rows.join('')}${signatures.join('')}}
`
}

/** TopUpFromBalance is TOP_UP_FROM_BALANCE. */
function constantName(type: string): string {
  return type.replace(/(?<=.)[A-Z]/g, '_$&').toUpperCase()
}
