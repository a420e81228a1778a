import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import {
  type Address,
  BaseError,
  ContractFunctionExecutionError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  parseAbi,
  parseEventLogs,
  type TransactionReceipt,
  type Transport,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { ChainError, ClearingError } from '../errors.ts'
import { createInTurn } from '../in-turn.ts'
import type { Clock } from '../platform.ts'
import { createMemoryStorage } from '../storage.memory.ts'
import type { Table } from '../storage.ts'
import { inRanges } from './block-ranges.ts'
import type { Chain, Debt, Mined, OpeningOnChain } from './chain.ts'
import { openNonce } from './funding-nonces.ts'
import { type ContractCall, sendTransaction } from './send-transaction.ts'
import { createSentBook, type SentTransaction } from './sent-transactions.ts'
import {
  type ChannelConfig,
  channelIdOf,
  compactSignature,
  type House,
  receiveAuthorizationTypes,
} from './typed-data.ts'
import { createViemOrders, settlements } from './viem-orders.ts'

const STATUS = ['none', 'open', 'closed'] as const

/** What is asked of a token; its EIP-712 domain by ERC-5267, or the older way of USDC. */
const tokenAbi = parseAbi([
  'function balanceOf(address account) view returns (uint256)',
  'function name() view returns (string)',
  'function version() view returns (string)',
  'function eip712Domain() view returns (bytes1, string, string, uint256, address, bytes32, uint256[])',
])

/** How long a leave to open may be submitted. */
const AUTHORIZATION_SECONDS = 3_600
const STUCK_MS = 60_000

export interface ViemChainInit {
  house: House
  token: Address
  /** Signs and pays transactions. */
  account: PrivateKeyAccount
  /** How many blocks make a deposit certain. @default 0 */
  confirmations?: number | undefined
  /** A transaction that is in no block after so long is sent again with a higher fee. @default 60,000 */
  stuckMs?: number | undefined
}

/** A `Chain` over an EVM node's JSON-RPC, through viem. */
export function createViemChain(
  init: ViemChainInit,
  components: {
    transport: Transport
    clock: Clock
    /** Transactions that are on their way; forgotten with the process by default. */
    sent?: Table<SentTransaction> | undefined
  },
): Chain {
  const { house, token, account, confirmations = 0, stuckMs = STUCK_MS } = init
  const nativeCurrency = { name: 'native coin', symbol: 'COIN', decimals: 18 }
  const chain = defineChain({
    id: house.chainId,
    name: `chain ${house.chainId}`,
    nativeCurrency,
    rpcUrls: { default: { http: [] } },
  })
  const { transport, clock, sent: table = createMemoryStorage().table('sent') } = components
  const reader = createPublicClient({ chain, transport, pollingInterval: 100 })
  const writer = createWalletClient({ chain, transport, account })
  const contract = { address: house.address, abi: clearingHouseAbi } as const

  // Two that are sent at once would take the same nonce, and the node would refuse one.
  const inTurn = createInTurn()
  const book = createSentBook(
    { chainId: house.chainId, address: account.address },
    { table, clock },
  )

  /** Simulates, sends and waits: what the contract would refuse costs no gas. */
  async function send(prepare: () => Promise<{ request: unknown }>): Promise<TransactionReceipt> {
    return guard(async () => {
      const { request } = await prepare()
      const parts = { reader, writer, inTurn, book, clock }
      const receipt = await sendTransaction(request as ContractCall, { stuckMs }, parts)
      if (receipt.status !== 'success') {
        throw new ClearingError({
          what: 'the transaction reverted',
          why: receipt.transactionHash,
        })
      }
      return receipt
    })
  }

  /** A channel as of some blocks ago. */
  async function confirmed(id: Hex): Promise<{ deposit: bigint; status: number }> {
    const nothing = { deposit: 0n, status: 0 }
    const head = await reader.getBlockNumber({ cacheTime: 0 })
    const blockNumber = head - BigInt(confirmations)
    if (blockNumber < 0n) return nothing
    try {
      const call = { ...contract, functionName: 'channel', args: [id], blockNumber } as const
      return await reader.readContract(call)
    } catch (error) {
      // The contract itself is younger.
      const isNothing =
        error instanceof BaseError && error.walk((e) => e instanceof ContractFunctionZeroDataError)
      if (isNothing) return nothing
      throw error
    }
  }

  const simulateSetOff = (ring: readonly Debt[], amount: bigint) =>
    reader.simulateContract({ ...contract, account, ...setOffCall(ring, amount) })

  async function tokenDomain(): Promise<[name: string, version: string]> {
    const erc20 = { address: token, abi: tokenAbi } as const
    try {
      const domain = await reader.readContract({ ...erc20, functionName: 'eip712Domain' })
      return [domain[1], domain[2]]
    } catch (error) {
      const isOlder =
        error instanceof BaseError &&
        error.walk((e) => e instanceof ContractFunctionExecutionError) !== null
      if (!isOlder) throw error
      return Promise.all([
        reader.readContract({ ...erc20, functionName: 'name' }),
        reader.readContract({ ...erc20, functionName: 'version' }),
      ])
    }
  }

  return {
    house,
    token,
    orders: createViemOrders(init, {
      ...{ reader, guard, tokenDomain },
      send: async (prepare) => mined(await send(prepare)),
    }),
    channel: (id) =>
      guard(async () => {
        const found = await reader.readContract({
          ...contract,
          functionName: 'channel',
          args: [id],
        })
        const deep = confirmations === 0 ? found : await confirmed(id)
        return {
          deposit: found.deposit,
          confirmedDeposit: deep.deposit,
          settled: found.settled,
          status: STATUS[found.status] ?? 'none',
          isCloseYoung: found.status !== deep.status && STATUS[found.status] === 'closed',
          exitRequestedAt: found.exitRequestedAt,
        }
      }),
    openings: async (account, { fromBlock = 0n, signal } = {}) => {
      const untilBlock = await guard(() => reader.getBlockNumber({ cacheTime: 0 }))
      const byId = new Map<Hex, OpeningOnChain>()
      const read = async (from: bigint, to: bigint) => {
        const event = {
          ...contract,
          eventName: 'ChannelOpened',
          fromBlock: from,
          toBlock: to,
        } as const
        const [paid, earned] = await Promise.all([
          reader.getContractEvents({ ...event, args: { payer: account }, strict: true }),
          reader.getContractEvents({ ...event, args: { payee: account }, strict: true }),
        ])
        for (const { args } of [...paid, ...earned]) {
          const { channelId: id, config } = args
          // The id is the hash of the terms: a node cannot tell of others.
          if (channelIdOf(house, config) !== id) {
            throw new ClearingError({ what: 'the chain’s node tells of a channel that cannot be' })
          }
          byId.set(id, { id, config })
        }
      }
      await guard(() => inRanges(read, { from: fromBlock, to: untilBlock, signal }))
      return { found: [...byId.values()], untilBlock }
    },
    balances: (address) =>
      guard(async () => {
        const [wallet, ledger, native] = await Promise.all([
          reader.readContract({
            address: token,
            abi: tokenAbi,
            functionName: 'balanceOf',
            args: [address],
          }),
          reader.readContract({ ...contract, functionName: 'balanceOf', args: [address] }),
          reader.getBalance({ address }),
        ])
        return { wallet, ledger, native }
      }),
    authorizeOpen: (config, amount) =>
      guard(async () => {
        const [name, version] = await tokenDomain()
        // By the clock that it is held against: this device's own may be wrong.
        const { timestamp } = await reader.getBlock({ blockTag: 'latest' })
        const validBefore = Number(timestamp) + AUTHORIZATION_SECONDS
        const signature = await account.signTypedData({
          domain: { name, version, chainId: house.chainId, verifyingContract: token },
          types: receiveAuthorizationTypes,
          primaryType: 'ReceiveWithAuthorization',
          message: {
            from: config.payer,
            to: house.address,
            value: amount,
            validAfter: 0n,
            validBefore: BigInt(validBefore),
            nonce: openNonce(channelIdOf(house, config)),
          },
        })
        return { config, amount, validAfter: 0, validBefore, signature }
      }),
    openWithAuthorization: async ({ config, amount, validAfter, validBefore, signature }) => {
      const args = [config, amount, BigInt(validAfter), BigInt(validBefore), signature] as const
      return mined(
        await send(() =>
          reader.simulateContract({
            ...contract,
            account,
            functionName: 'openWithAuthorization',
            args,
          }),
        ),
      )
    },
    settleMany: async (rows) => {
      const args = [settlements(rows)] as const
      const receipt = await send(() =>
        reader.simulateContract({ ...contract, account, functionName: 'settleMany', args }),
      )
      const logs = parseEventLogs({
        abi: clearingHouseAbi,
        eventName: 'SettlementSkipped',
        logs: receipt.logs,
      })
      return { ...mined(receipt), skipped: logs.map((log) => log.args.channelId) }
    },
    setOff: async (ring, amount) => mined(await send(() => simulateSetOff(ring, amount))),
    setOffCost: (ring, amount) =>
      guard(async () => {
        // It says why the contract would refuse; an estimate does not.
        await simulateSetOff(ring, amount)
        const [gas, { maxFeePerGas }] = await Promise.all([
          reader.estimateContractGas({ ...contract, account, ...setOffCall(ring, amount) }),
          reader.estimateFeesPerGas(),
        ])
        return { gas, feeWei: gas * maxFeePerGas }
      }),
    requestClose: async (config) =>
      mined(
        await send(() =>
          reader.simulateContract({
            ...contract,
            account,
            functionName: 'requestClose',
            args: [config],
          }),
        ),
      ),
    finalizeClose: async (config: ChannelConfig) =>
      mined(
        await send(() =>
          reader.simulateContract({
            ...contract,
            account,
            functionName: 'finalizeClose',
            args: [config],
          }),
        ),
      ),
    withdraw: async (to, amount) =>
      mined(
        await send(() =>
          reader.simulateContract({
            ...contract,
            account,
            functionName: 'withdraw',
            args: [to, amount],
          }),
        ),
      ),
  }
}

function setOffCall(ring: readonly Debt[], amount: bigint) {
  const debts = ring.map(({ config, total, deadline, voucher, acknowledgement }) => ({
    config,
    cumulativeAmount: total,
    deadline: BigInt(deadline),
    voucher: compactSignature(voucher),
    acknowledgement: compactSignature(acknowledgement),
  }))
  return { functionName: 'setOff', args: [debts, amount] } as const
}

function mined(receipt: TransactionReceipt): Mined {
  return {
    hash: receipt.transactionHash,
    blockNumber: receipt.blockNumber,
    gasUsed: receipt.gasUsed,
    feeWei: receipt.gasUsed * receipt.effectiveGasPrice,
  }
}

const NO_TOKENS = 'the wallet holds fewer token units'

/** What a person can do about a no. */
const NEXT: Partial<Record<string, string>> = {
  [NO_TOKENS]: 'See freehold wallet show',
  InsufficientBalance: 'The ledger holds less: see freehold wallet show',
  InvalidRecipient: 'Tokens sent there would be lost: name another address',
}

/** The token's own error, in one line: it is none of the contract's, so that viem cannot name it. */
function ofTheToken({ signature, shortMessage }: ContractFunctionRevertedError): string {
  // ERC20InsufficientBalance of ERC-6093.
  if (signature === '0xe450d38c') return NO_TOKENS
  return signature === undefined ? shortMessage : `the token's error ${signature}`
}

/** The contract's no is a `ClearingError`; everything else that goes wrong is the chain's. */
async function guard<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    if (cause instanceof ClearingError || cause instanceof ChainError) throw cause
    const known = cause instanceof BaseError ? cause.walk((e) => e instanceof ChainError) : null
    if (known instanceof ChainError) throw known
    const revert =
      cause instanceof BaseError
        ? cause.walk((error) => error instanceof ContractFunctionRevertedError)
        : null
    if (revert instanceof ContractFunctionRevertedError) {
      const why = revert.data?.errorName ?? ofTheToken(revert)
      throw new ClearingError({ what: 'the contract refuses', why, next: NEXT[why], cause })
    }
    throw new ChainError({
      what: 'the chain cannot be asked',
      why: (cause instanceof BaseError ? cause.shortMessage : String(cause)).replace(/\.$/, ''),
      next: 'Answers go on within their cap; settling waits until it is back',
      cause,
    })
  }
}
