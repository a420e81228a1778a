import { clearingHouseAbi, clearingHouseBytecode } from '@freehold/contracts/clearing-house'
import { nodeName } from '@freehold/core/clearing/rpc-nodes'
import { ChainError, ClearingError, FreeholdError } from '@freehold/core/errors'
import {
  type Address,
  BaseError,
  concatHex,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeDeployData,
  formatEther,
  getCreate2Address,
  type Hex,
  http,
  isAddressEqual,
  recoverTransactionAddress,
  type TransactionSerializedLegacy,
} from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'

/** The proxy that most chains have at this address: it deploys what it is sent by CREATE2. */
const DEPLOYER: Address = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

/**
 * How the proxy itself gets there: a transaction of no chain's, whose signature was made up, so that
 * nobody holds the key of the account that it comes from. Nick's method.
 */
const DEPLOYER_TRANSACTION = `0xf8a58085174876e800830186a08080b8536045\
80600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020\
82378035828234f58015156039578182fd5b8082525050506014600cf31ba0${'22'.repeat(32)}a0${'22'.repeat(32)}` as const
/** What that transaction may cost at most: 100,000 gas at 100 gwei. */
const DEPLOYER_WEI = 10n ** 16n

/** Part of the address; another would give another contract for the same token. */
const SALT: Hex = `0x${'00'.repeat(31)}01`

const RPC_MS = 10_000

export interface DeployHouseInit {
  /** URL of a node that answers JSON-RPC. */
  rpc: string
  token: Address
  /** The chain that is meant; another one behind the URL is refused. */
  chainId?: number | undefined
}

/** What deploying takes, or took. */
export interface Deployment {
  chainId: number
  /** The same on every chain where the token has the same address. */
  house: Address
  token: Address
  /** The contract is there: it was before, or this put it there. */
  isDeployed: boolean
  /** Of what is, or would be, sent. At most that much, by the node's own estimate. */
  gas: bigint
  feeWei: bigint
  /** Null when nothing was sent. */
  transaction: Hex | null
}

/** Where the house of a token is on any chain, whether it is there yet or not. */
export function houseAddressOf(token: Address): Address {
  return getCreate2Address({ from: DEPLOYER, salt: SALT, bytecode: initCodeOf(token) })
}

function initCodeOf(token: Address): Hex {
  return encodeDeployData({
    abi: clearingHouseAbi,
    bytecode: clearingHouseBytecode,
    args: [token],
  })
}

/**
 * Deploys the ClearingHouse of a token by CREATE2, or finds that it is there already. Without an
 * account it sends nothing and says what it would cost.
 * @throws ClearingError when it must not be done here @throws ChainError when the chain cannot be asked
 */
export async function deployHouse(
  { rpc, token, chainId: expected }: DeployHouseInit,
  { account, signal }: { account?: PrivateKeyAccount | undefined; signal?: AbortSignal } = {},
): Promise<Deployment> {
  const fetchOptions = signal === undefined ? {} : { signal }
  const transport = http(rpc, { timeout: RPC_MS, retryCount: 1, fetchOptions })
  return guard(async () => {
    const chainId = await createPublicClient({ transport }).getChainId()
    if (expected !== undefined && chainId !== expected) {
      throw new ClearingError({
        what: 'this is another chain',
        why: `${nodeName(rpc)} is chain ${chainId}, not ${expected}`,
        next: 'Nothing was sent. Name the RPC node of the chain that you mean',
      })
    }
    const chain = defineChain({
      id: chainId,
      name: `chain ${chainId}`,
      nativeCurrency: { name: 'native coin', symbol: 'COIN', decimals: 18 },
      rpcUrls: { default: { http: [rpc] } },
    })
    const reader = createPublicClient({ chain, transport, pollingInterval: 200 })
    const hasCode = async (address: Address) => (await reader.getCode({ address })) !== undefined
    if (!(await hasCode(token))) {
      throw new ClearingError({ what: `there is no token at ${token}`, why: `on chain ${chainId}` })
    }
    const house = houseAddressOf(token)
    const found = { chainId, house, token, transaction: null }
    if (await hasCode(house)) return { ...found, isDeployed: true, gas: 0n, feeWei: 0n }

    const hasDeployer = await hasCode(DEPLOYER)
    const data = concatHex([SALT, initCodeOf(token)])
    const { maxFeePerGas } = await reader.estimateFeesPerGas()
    // Without the proxy there is nothing to ask about: plain creation costs about the same.
    const from = account === undefined ? {} : { account: account.address }
    const gas = await reader.estimateGas(
      hasDeployer ? { ...from, to: DEPLOYER, data } : { ...from, data: initCodeOf(token) },
    )
    const feeWei = gas * maxFeePerGas + (hasDeployer ? 0n : DEPLOYER_WEI + 21_000n * maxFeePerGas)
    if (account === undefined) return { ...found, isDeployed: false, gas, feeWei }

    const balance = await reader.getBalance({ address: account.address })
    if (balance < feeWei) {
      throw new ClearingError({
        what: 'this account cannot pay for it',
        why: `${account.address} holds ${formatEther(balance)} of the native coin of chain ${chainId}, and up to ${formatEther(feeWei)} are needed`,
        next: 'Nothing was sent. Send it some, or wait until gas is cheaper',
      })
    }
    const writer = createWalletClient({ chain, transport, account })
    const mined = async (hash: Hex) => {
      const receipt = await reader.waitForTransactionReceipt({ hash })
      if (receipt.status !== 'success') {
        throw new ClearingError({ what: 'the transaction reverted', why: hash })
      }
      return receipt
    }
    if (!hasDeployer) {
      const serializedTransaction = DEPLOYER_TRANSACTION as TransactionSerializedLegacy
      const origin = await recoverTransactionAddress({ serializedTransaction })
      const held = await reader.getBalance({ address: origin })
      if (held < DEPLOYER_WEI) {
        await mined(await writer.sendTransaction({ to: origin, value: DEPLOYER_WEI - held }))
      }
      await mined(await reader.sendRawTransaction({ serializedTransaction }))
    }
    const receipt = await mined(await writer.sendTransaction({ to: DEPLOYER, data }))
    const holds = await reader.readContract({
      address: house,
      abi: clearingHouseAbi,
      functionName: 'token',
    })
    if (!isAddressEqual(holds, token)) throw new ChainError({ what: `${house} is for ${holds}` })
    return {
      ...found,
      isDeployed: true,
      gas: receipt.gasUsed,
      feeWei: receipt.gasUsed * receipt.effectiveGasPrice,
      transaction: receipt.transactionHash,
    }
  })
}

async function guard<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    if (cause instanceof FreeholdError) throw cause
    throw new ChainError({
      what: 'the chain does not do it',
      why: cause instanceof BaseError ? cause.shortMessage.replace(/\.$/, '') : String(cause),
      next: 'It may be asked again: what is deployed already is found',
      cause,
    })
  }
}
