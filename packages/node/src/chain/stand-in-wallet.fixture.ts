import type { WalletProvider } from '@freehold/core/clearing/deposit-by-wallet'
import { type Address, createPublicClient, createWalletClient, type Hex, http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

type Ask = Parameters<WalletProvider['request']>[0]

/** A wallet of another program: it signs with a real key and sends to a real node (EIP-1193). */
export interface StandInWallet extends WalletProvider {
  readonly address: Address
  /** All that it was asked for, in its order. */
  readonly asked: Ask[]
  /** Where it is now, and chains that it can go to. */
  chainId: number
  knows: readonly number[]
  /** Methods that its person says no to. */
  refuses: readonly string[]
  /** Called after a question was noted and before it is answered. */
  onAsk: (ask: Ask) => Promise<void>
  /** What it says instead; undefined: the truth. */
  says: (method: string) => unknown
}

/** @param rpc a development node */
export function createStandInWallet(rpc: string): StandInWallet {
  const account = privateKeyToAccount(generatePrivateKey())
  const transport = http(rpc)
  const client = createWalletClient({ account, chain: foundry, transport })
  const node = createPublicClient({ chain: foundry, transport })
  const wallet: StandInWallet = {
    address: account.address,
    asked: [],
    chainId: foundry.id,
    knows: [foundry.id],
    refuses: [],
    onAsk: async () => {},
    says: () => undefined,
    request: async (ask) => {
      wallet.asked.push(ask)
      const { method } = ask
      if (wallet.refuses.includes(method)) throw failure(4001, 'User rejected the request.')
      await wallet.onAsk(ask)
      return wallet.says(method) ?? answer(ask)
    },
  }

  async function answer({ method, params: [first] = [] }: Ask): Promise<unknown> {
    switch (method) {
      case 'eth_requestAccounts':
        return [account.address]
      case 'eth_chainId':
        return `0x${wallet.chainId.toString(16)}`
      case 'wallet_switchEthereumChain': {
        const wanted = Number((first as { chainId: Hex }).chainId)
        if (!wallet.knows.includes(wanted)) throw failure(4902, 'Unrecognized chain ID.')
        wallet.chainId = wanted
        return null
      }
      case 'eth_sendTransaction': {
        const { from, to, data } = first as { from: Address; to: Address; data: Hex }
        if (from !== account.address) throw failure(4100, 'This account is not connected.')
        return client.sendTransaction({ to, data })
      }
      case 'eth_getTransactionReceipt':
        return node.request({ method: 'eth_getTransactionReceipt', params: [first as Hex] })
      default:
        throw failure(4200, `${method} is not supported.`)
    }
  }
  return wallet
}

/** An error as EIP-1193 has it. */
function failure(code: number, message: string): Error {
  return Object.assign(new Error(message), { code })
}
