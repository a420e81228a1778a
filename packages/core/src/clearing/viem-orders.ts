import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import {
  type Address,
  type Hex,
  isAddressEqual,
  type PublicClient,
  parseAbi,
  TransactionReceiptNotFoundError,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { from0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { ChainOrders, Mined, SettlementRow } from './chain.ts'
import { accountOf, channelOf, fundingNonce, type OrderFor, orderCall } from './orders.ts'
import { type House, receiveAuthorizationTypes } from './typed-data.ts'

const authorizationAbi = parseAbi([
  'function authorizationState(address authorizer, bytes32 nonce) view returns (bool)',
])

/** What orders need of the chain that they are for. */
export interface ViemOrdersComponents {
  reader: PublicClient
  /** Simulates, sends and waits. */
  send: (prepare: () => Promise<{ request: unknown }>) => Promise<Mined>
  guard: <T>(call: () => Promise<T>) => Promise<T>
  /** Name and version of the token's EIP-712 domain. */
  tokenDomain: () => Promise<[name: string, version: string]>
}

/** Signed orders over an EVM node's JSON-RPC. */
export function createViemOrders(
  { house, token, account }: { house: House; token: Address; account: PrivateKeyAccount },
  { reader, send, guard, tokenDomain }: ViemOrdersComponents,
): ChainOrders {
  const contract = { address: house.address, abi: clearingHouseAbi } as const
  type Simulated = Parameters<typeof reader.simulateContract>[0]

  const callOf = (signed: Omit<OrderFor, 'house'>) =>
    ({ ...contract, account, ...orderCall(signed) }) as unknown as Simulated

  const nonce = (owner: Address) =>
    reader.readContract({ ...contract, functionName: 'nonces', args: [owner] })

  const channel = (id: Hex) =>
    reader.readContract({ ...contract, functionName: 'channel', args: [id] })

  /** One after the other, each on what the one before it leaves (eth_simulateV1). */
  async function simulateAfter(
    rows: readonly SettlementRow[],
    signed: Omit<OrderFor, 'house'>,
  ): Promise<bigint> {
    const house = { from: account.address, to: contract.address, abi: contract.abi }
    const calls = [
      { ...house, functionName: 'settleMany', args: [settlements(rows)] },
      { ...house, ...orderCall(signed) },
    ]
    const [block] = await reader.simulateBlocks({ blocks: [{ calls: calls as never }] })
    const results = (block?.calls ?? []) as { status: string; gasUsed: bigint; error?: Error }[]
    let gas = 0n
    for (const result of results) {
      if (result.status === 'failure') throw result.error
      gas += result.gasUsed
    }
    return gas
  }

  async function isDone(signed: OrderFor): Promise<boolean> {
    const { order } = signed
    const spent = fundingNonce(signed)
    if (spent !== null) {
      const args = [accountOf(order), spent] as const
      const at = { address: token, abi: authorizationAbi } as const
      return reader.readContract({ ...at, functionName: 'authorizationState', args })
    }
    if (order.kind === 'withdraw' || order.kind === 'topUpFromLedger') {
      return (await nonce(accountOf(order))) > BigInt(order.nonce)
    }
    const id = channelOf(house, order)
    if (id === null) return false
    const { status, exitRequestedAt } = await channel(id)
    if (order.kind === 'openFromLedger') return status !== 0
    return status === 2 || (order.kind === 'requestClose' && exitRequestedAt !== 0)
  }

  /** A transaction that is in a block and in which this house says something of whom an order is about. */
  async function shows(hash: Hex, signed: OrderFor): Promise<Mined | null> {
    const receipt = await reader.getTransactionReceipt({ hash }).catch((error) => {
      if (error instanceof TransactionReceiptNotFoundError) return null
      throw error
    })
    if (receipt === null || receipt.status !== 'success') return null
    const about = channelOf(house, signed.order) ?? accountOf(signed.order)
    const topic = about.slice(2).toLowerCase().padStart(64, '0')
    const isMeant = receipt.logs.some(
      ({ address, topics }) =>
        isAddressEqual(address, house.address) && topics.some((one) => one === `0x${topic}`),
    )
    if (!isMeant) return null
    const { gasUsed, blockNumber, effectiveGasPrice } = receipt
    return { hash, blockNumber, gasUsed, feeWei: gasUsed * effectiveGasPrice }
  }

  return {
    timeSeconds: () =>
      guard(async () => Number((await reader.getBlock({ blockTag: 'latest' })).timestamp)),
    nonce: (owner) => guard(async () => Number(await nonce(owner))),
    cancelledExits: (id) => guard(async () => (await channel(id)).cancelledExits),
    authorize: (signed) =>
      guard(async () => {
        const { order } = signed
        const nonce = fundingNonce(signed)
        if (nonce === null || !('amount' in order)) {
          throw new ClearingError({ what: 'this order takes nothing out of a wallet' })
        }
        const [name, version] = await tokenDomain()
        const signature = await account.signTypedData({
          domain: { name, version, chainId: house.chainId, verifyingContract: token },
          types: receiveAuthorizationTypes,
          primaryType: 'ReceiveWithAuthorization',
          message: {
            from: account.address,
            to: house.address,
            value: order.amount,
            validAfter: 0n,
            validBefore: BigInt(order.deadline),
            nonce,
          },
        })
        return { ...order, signature: from0x(signature) }
      }),
    weiPerGas: () => guard(() => reader.getGasPrice()),
    simulate: (signed, settleFirst) =>
      guard(async () => {
        const call = callOf(signed)
        if (settleFirst.length > 0) return simulateAfter(settleFirst, signed)
        // The simulation names the contract's reason; an estimate alone would not.
        await reader.simulateContract(call)
        return reader.estimateContractGas(call as Parameters<typeof reader.estimateContractGas>[0])
      }),
    submit: (signed) => send(() => reader.simulateContract(callOf(signed))),
    isDone: (signed) => guard(() => isDone(signed)),
    shows: (hash, signed) => guard(() => shows(hash, signed)),
  }
}

/** Rows as the contract takes them. */
export function settlements(rows: readonly SettlementRow[]) {
  return rows.map(({ config, cumulative, signature }) => ({
    config,
    cumulativeAmount: cumulative,
    signature,
  }))
}
