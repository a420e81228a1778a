import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import { devTokenAbi } from '@freehold/contracts/dev-token'
import {
  type Abi,
  type Address,
  createPublicClient,
  createWalletClient,
  type Hex,
  hexToBytes,
  http,
  maxUint256,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { to0x } from '../packages/core/src/bytes.ts'
import {
  type ChannelConfig,
  channelIdOf,
  compactSignature,
  orderTypedData,
  voucherTypedData,
} from '../packages/core/src/clearing/typed-data.ts'
import { createViemChain } from '../packages/core/src/clearing/viem-chain.ts'
import { systemClock, systemRandom } from '../packages/core/src/platform.ts'
import { startDevChain } from '../packages/node/src/chain/dev-chain.ts'

type Account = ReturnType<typeof privateKeyToAccount>

/** Gas of one transaction. */
export interface Gas {
  /** All that its sender pays for. */
  whole: number
  /** Without the 21,000 of every transaction and without calldata: what most projects publish. */
  execution: number
}

const DEPOSIT = 1_000_000n
const DELAY_SECONDS = 172_800

/**
 * Gas of everything that the ClearingHouse does, by real transactions on a chain of our own. Accounts,
 * keys and salts are random; what "next" stands behind has been done before by the same account.
 */
export async function measureClearingGas(
  settledRows: readonly number[],
  rings: readonly number[],
): Promise<Record<string, Gas>> {
  await using chain = await startDevChain()
  const { settings } = chain
  const house = { chainId: settings.chainId, address: settings.house }
  const transport = http(settings.rpc)
  const reader = createPublicClient({ chain: foundry, transport, pollingInterval: 20 })
  const gas: Record<string, Gas> = {}

  async function send(
    from: Account,
    to: { address: Address; abi: Abi },
    functionName: string,
    args: readonly unknown[],
    name?: string,
  ): Promise<void> {
    const writer = createWalletClient({ chain: foundry, transport, account: from })
    const hash = await writer.writeContract({ ...to, functionName, args })
    const { status, gasUsed } = await reader.waitForTransactionReceipt({ hash })
    if (status !== 'success') throw new Error(`${functionName} reverted`)
    const { input } = await reader.getTransaction({ hash })
    const whole = Number(gasUsed)
    if (name !== undefined) gas[name] = { whole, execution: whole - intrinsicGas(input) }
  }
  const token = { address: settings.token, abi: devTokenAbi as Abi }
  const contract = { address: settings.house, abi: clearingHouseAbi as Abi }
  const createAccount = async (tokens: bigint) => {
    const account = privateKeyToAccount(generatePrivateKey())
    await chain.fund(account.address, '10')
    if (tokens > 0n) await chain.mint(account.address, tokens)
    return account
  }
  const signer = privateKeyToAccount(generatePrivateKey())
  const configOf = (payer: Account, payee: Account): ChannelConfig => ({
    payer: payer.address,
    signer: signer.address,
    payee: payee.address,
    delay: DELAY_SECONDS,
    flags: 1,
    salt: to0x(systemRandom(32)),
  })
  const voucher = (config: ChannelConfig, cumulative: bigint) =>
    signer.signTypedData(voucherTypedData(house, channelIdOf(house, config), cumulative))

  const many = 1_000n * DEPOSIT
  const payer = await createAccount(4n * many)
  const payee = await createAccount(0n)
  const poor = configOf(payer, payee)
  await send(payer, token, 'approve', [house.address, many])
  await send(payer, contract, 'open', [poor, DEPOSIT], 'open, first ever in this house')
  await send(payer, token, 'approve', [house.address, maxUint256])
  const config = configOf(payer, payee)
  await send(payer, contract, 'open', [config, DEPOSIT], 'open')
  await send(payer, contract, 'topUp', [config, DEPOSIT], 'top-up')
  await send(payer, contract, 'deposit', [many], 'deposit, first')
  await send(payer, contract, 'topUpFromBalance', [config, DEPOSIT], 'top-up from ledger')
  const fromLedger = configOf(payer, payee)
  await send(payer, contract, 'openFromBalance', [fromLedger, DEPOSIT], 'open from ledger')

  const relayed = configOf(payer, payee)
  const init = { house, token: settings.token, account: payer }
  const leave = await createViemChain(init, { transport, clock: systemClock }).authorizeOpen(
    relayed,
    DEPOSIT,
  )
  const { validAfter, validBefore, signature } = leave
  const authorized = [relayed, DEPOSIT, validAfter, validBefore, signature]
  await send(payee, contract, 'openWithAuthorization', authorized, 'relayed open')
  const signed = configOf(payer, payee)
  const relay = { relayer: payee.address, fee: 1_000n, deadline: maxUint256 }
  const order = await payer.signTypedData(
    orderTypedData(house, 'OpenFromBalance', {
      channelId: channelIdOf(house, signed),
      amount: DEPOSIT,
      ...relay,
    }),
  )
  const ordered = [signed, DEPOSIT, relay, order]
  const orderName = 'openFromBalanceWithSignature'
  await send(payee, contract, orderName, ordered, 'relayed open from ledger')

  const channels: ChannelConfig[] = []
  while (channels.length < Math.max(...settledRows)) {
    const one = configOf(payer, payee)
    await send(payer, contract, 'openFromBalance', [one, DEPOSIT])
    channels.push(one)
  }
  let total = 0n
  for (const rows of [Math.max(...settledRows), ...settledRows]) {
    total += 1_000n
    const cumulativeAmount = total
    const settling = await Promise.all(
      channels.slice(0, rows).map(async (one) => ({
        config: one,
        cumulativeAmount,
        signature: await voucher(one, cumulativeAmount),
      })),
    )
    await send(payee, contract, 'settleMany', [settling], `settleMany, ${rows}`)
  }
  await send(payee, contract, 'close', [config, 500n, await voucher(config, 500n)], 'close')
  await send(payer, contract, 'requestClose', [fromLedger], 'requestClose')
  await chain.advance(DELAY_SECONDS)
  await send(payer, contract, 'finalizeClose', [fromLedger], 'finalizeClose')
  await send(payee, contract, 'withdraw', [payee.address, 100n], 'withdraw, first')
  await send(payee, contract, 'withdraw', [payee.address, 100n], 'withdraw, next')

  for (const size of rings) {
    const accounts = await Promise.all(Array.from({ length: size }, () => createAccount(DEPOSIT)))
    const deadline = (await reader.getBlock()).timestamp + 3_600n
    const ring = []
    for (const [i, from] of accounts.entries()) {
      const to = accounts[(i + 1) % size] as Account
      const edge = configOf(from, to)
      await send(from, token, 'approve', [house.address, maxUint256])
      await send(from, contract, 'open', [edge, DEPOSIT])
      // A running channel: something was settled on it before.
      await send(to, contract, 'settle', [edge, 1_000n, await voucher(edge, 1_000n)])
      const cumulativeAmount = 500_000n
      const channelId = channelIdOf(house, edge)
      const acknowledged = { channelId, cumulativeAmount, deadline }
      const data = orderTypedData(house, 'Acknowledgement', acknowledged)
      ring.push({
        config: edge,
        cumulativeAmount,
        deadline,
        voucher: compactSignature(await voucher(edge, cumulativeAmount)),
        acknowledgement: compactSignature(await to.signTypedData(data)),
      })
    }
    await send(payer, contract, 'setOff', [ring, 250_000n], `set-off, ring of ${size}`)
  }
  return gas
}

/** What a transaction costs before it runs: 21,000, and 4 or 16 for each byte of calldata. */
function intrinsicGas(input: Hex): number {
  return hexToBytes(input).reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 21_000)
}
