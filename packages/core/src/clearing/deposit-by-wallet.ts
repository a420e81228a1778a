import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import { type Address, encodeFunctionData, getAddress, type Hex, isAddress, parseAbi } from 'viem'
import { from0x } from '../bytes.ts'
import { ClearingError } from '../errors.ts'
import type { Clock, Random } from '../platform.ts'
import type { SignedOrder } from '../wire/relay-messages.ts'
import type { Chain } from './chain.ts'
import { orderCall, UNSIGNED } from './orders.ts'

/** A wallet of another program, as EIP-1193 has it. */
export interface WalletProvider {
  /** @throws an object with a `code`: 4001 when its person refused */
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>
}

/** Why another program's wallet did not do what it was asked; stable words. */
export type WalletFailure =
  /** Its person said no. */
  | 'refused'
  /** It does not know the chain. */
  | 'unknown-chain'
  /** It stays on another chain, or changed to another account. */
  | 'elsewhere'
  | 'too-little'
  | 'no-block'
  | 'failed'

/** Thrown when another program's wallet did not do what it was asked. */
export class WalletError extends ClearingError {
  override name = 'WalletError'
  readonly reason: WalletFailure

  constructor(reason: WalletFailure, init: { what: string; why?: string; cause?: unknown }) {
    super(init)
    this.reason = reason
  }
}

export interface DepositByWalletInit {
  provider: WalletProvider
  /** The wallet's account, as `connectWallet` returned it. */
  from: Address
  /** The device's account, which the money is for. */
  account: Address
  /** Token units, above 0. */
  amount: bigint
  /** The tokens are in the device's account already: only the second transaction is left. */
  isHanded?: boolean | undefined
  /** Told when the tokens are in the device's account, and when they are in the ledger. */
  onMined?: ((step: 'handed' | 'deposited', hash: Hex) => void) | undefined
  signal?: AbortSignal | undefined
}

const tokenAbi = parseAbi(['function transfer(address to, uint256 value) returns (bool)'])

/** A person may be asked for a password; a block may take its time. */
const BLOCK_MS = 300_000
const POLL_MS = 500
/** How long the device's signature over the second transaction holds. */
const DEADLINE_SECONDS = 3_600

/**
 * Asks a wallet for its account, and to go to the chain that this device clears on.
 * @throws WalletError
 */
export async function connectWallet(provider: WalletProvider, chainId: number): Promise<Address> {
  const [account] = ((await ask(provider, 'eth_requestAccounts')) as unknown[] | null) ?? []
  if (typeof account !== 'string' || !isAddress(account, { strict: false })) {
    throw new WalletError('failed', { what: 'the wallet names no account' })
  }
  if (!(await isOn(provider, chainId))) {
    const chain = { chainId: `0x${chainId.toString(16)}` }
    await ask(provider, 'wallet_switchEthereumChain', [chain])
    if (!(await isOn(provider, chainId))) throw elsewhere(chainId)
  }
  return getAddress(account)
}

/**
 * Moves tokens of another program's wallet into this device's ledger balance, by two transactions of
 * that wallet: one hands the tokens to the device's account, the other submits what the device signed
 * (EIP-3009), so the device needs no native coin. Whatever ends it in between, the tokens are the
 * device's by then.
 * @throws WalletError, ClearingError, ChainError
 */
export async function depositByWallet(
  init: DepositByWalletInit,
  { chain, clock, random }: { chain: Chain; clock: Clock; random: Random },
): Promise<void> {
  const { provider, from, account, amount, isHanded = false, onMined, signal } = init
  const { house, token } = chain

  async function send(to: Address, data: Hex): Promise<Hex> {
    signal?.throwIfAborted()
    // Its person may have changed it since.
    if (!(await isOn(provider, house.chainId))) throw elsewhere(house.chainId)
    const hash = await ask(provider, 'eth_sendTransaction', [{ from, to, data, value: '0x0' }])
    if (typeof hash !== 'string' || !/^0x[0-9a-f]{64}$/i.test(hash)) {
      throw new WalletError('failed', { what: 'the wallet names no transaction' })
    }
    await mined(hash as Hex)
    return hash as Hex
  }

  async function mined(hash: Hex): Promise<void> {
    await until(async () => {
      const found = await ask(provider, 'eth_getTransactionReceipt', [hash])
      if (found === null || found === undefined) return false
      if (Number((found as { status?: unknown }).status) === 1) return true
      throw new WalletError('failed', { what: 'the transaction reverted', why: hash })
    }, `${hash} is in no block`)
  }

  /** Blocks come when they come, and each node hears of them in its own time. */
  async function until(isDone: () => Promise<boolean>, what: string): Promise<void> {
    const end = clock.now() + BLOCK_MS
    while (!(await isDone())) {
      signal?.throwIfAborted()
      if (clock.now() > end) throw new WalletError('no-block', { what })
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  if (!isHanded) {
    const { wallet } = await chain.balances(from)
    if (wallet < amount) {
      const why = `${amount} token units are asked for, and it holds ${wallet}`
      throw new WalletError('too-little', { what: 'the wallet holds too little', why })
    }
    const args = [account, amount] as const
    const data = encodeFunctionData({ abi: tokenAbi, functionName: 'transfer', args })
    const before = (await chain.balances(account)).wallet
    const hash = await send(token, data)
    // What counts is what this device's own node says.
    const hasCome = async () => (await chain.balances(account)).wallet >= before + amount
    await until(hasCome, 'the tokens did not come to this device’s account')
    onMined?.('handed', hash)
  }
  const deadline = (await chain.orders.timeSeconds()) + DEADLINE_SECONDS
  const base = { account: from0x(account), amount, fee: 0n, salt: random(32), deadline }
  const bare: SignedOrder = { kind: 'depositFromWallet', ...base, signature: UNSIGNED }
  const order = await chain.orders.authorize({ house, relayer: from, order: bare })
  // The contract's reason is better than a wallet's.
  await chain.orders.simulate({ relayer: from, order }, [])
  const call = { abi: clearingHouseAbi, ...orderCall({ relayer: from, order }) }
  const hash = await send(house.address, encodeFunctionData(call as never))
  const isIn = () => chain.orders.isDone({ house, relayer: from, order })
  await until(isIn, 'the deposit is not in the clearing house')
  onMined?.('deposited', hash)
}

async function isOn(provider: WalletProvider, chainId: number): Promise<boolean> {
  return Number(await ask(provider, 'eth_chainId')) === chainId
}

async function ask(
  provider: WalletProvider,
  method: string,
  params: readonly unknown[] = [],
): Promise<unknown> {
  try {
    return await provider.request({ method, params })
  } catch (cause) {
    const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
    if (code === 4001) throw new WalletError('refused', { what: 'you refused it', cause })
    if (method === 'wallet_switchEthereumChain') {
      throw new WalletError('unknown-chain', { what: 'the wallet does not know the chain', cause })
    }
    const why = typeof message === 'string' ? message : `it said ${String(code)}`
    throw new WalletError('failed', { what: 'the wallet did not do it', why, cause })
  }
}

function elsewhere(chainId: number): WalletError {
  return new WalletError('elsewhere', { what: `the wallet is not on chain ${chainId}` })
}
