import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { clearingHouseAbi, clearingHouseBytecode } from '@freehold/contracts/clearing-house'
import { devTokenAbi, devTokenBytecode } from '@freehold/contracts/dev-token'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { ChainError } from '@freehold/core/errors'
import { createInTurn } from '@freehold/core/in-turn'
import {
  type Address,
  createTestClient,
  http,
  parseEther,
  publicActions,
  walletActions,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'

/** First account of anvil's well-known mnemonic: worthless anywhere else. */
const DEPLOYER = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)

/** A real EVM node on loopback with a ClearingHouse and a token of its own, gone when disposed. */
export interface DevChain extends AsyncDisposable {
  settings: ChainSettings & { rpc: string }
  /** Gives an account token units out of nowhere. */
  mint(account: Address, amount: bigint): Promise<void>
  /** Gives an account native coin, in coins. */
  fund(account: Address, coins: string): Promise<void>
  /** Moves the chain's clock, and mines so many blocks. @param blocks 1 by default */
  advance(seconds: number, blocks?: number): Promise<void>
  /** Remembers the chain as it is. @returns takes back all blocks since, as a reorganisation does */
  remember(): Promise<() => Promise<void>>
  /** Stops and continues the node's process: a chain that does not answer. */
  pause(): void
  resume(): void
}

/** Starts anvil on a free port and deploys both contracts. @throws ChainError when it does not start */
export async function startDevChain(): Promise<DevChain> {
  const child = spawn(anvilPath(), ['--port', '0', '--host', '127.0.0.1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const guard = startGuard(child.pid ?? 0)
  const kill = () => {
    child.kill('SIGKILL')
    guard.kill('SIGKILL')
  }
  process.once('exit', kill)
  try {
    const rpc = await listening(child)
    const client = createTestClient({
      mode: 'anvil',
      chain: foundry,
      transport: http(rpc),
      account: DEPLOYER,
      pollingInterval: 50,
    })
      .extend(publicActions)
      .extend(walletActions)
    const deployed = async (hash: `0x${string}`): Promise<Address> => {
      const { contractAddress } = await client.waitForTransactionReceipt({ hash })
      if (!contractAddress) throw new ChainError({ what: 'a contract was not deployed' })
      return contractAddress
    }
    const token = await deployed(
      await client.deployContract({ abi: devTokenAbi, bytecode: devTokenBytecode }),
    )
    const house = await deployed(
      await client.deployContract({
        abi: clearingHouseAbi,
        bytecode: clearingHouseBytecode,
        args: [token],
      }),
    )
    const inTurn = createInTurn()
    return {
      settings: { rpc, chainId: foundry.id, house, token },
      mint: async (account, amount) => {
        const args = [account, amount] as const
        const call = { address: token, abi: devTokenAbi, functionName: 'mint', args } as const
        const hash = await inTurn(() => client.writeContract(call))
        await client.waitForTransactionReceipt({ hash })
      },
      fund: (address, coins) => client.setBalance({ address, value: parseEther(coins) }),
      advance: async (seconds, blocks = 1) => {
        await client.increaseTime({ seconds })
        await client.mine({ blocks })
      },
      remember: async () => {
        const id = await client.snapshot()
        return async () => client.revert({ id })
      },
      pause: () => child.kill('SIGSTOP'),
      resume: () => child.kill('SIGCONT'),
      [Symbol.asyncDispose]: async () => {
        process.off('exit', kill)
        const isDead = child.exitCode !== null || child.signalCode !== null
        const ended = isDead ? undefined : once(child, 'exit')
        kill()
        await ended
      },
    }
  } catch (error) {
    kill()
    throw error
  }
}

/** Ends a process that knows nothing of us when we do, even by SIGKILL: then a pipe closes. */
function startGuard(pid: number): ChildProcess {
  const script =
    "process.stdin.resume().on('close', () => process.kill(+process.argv[1], 'SIGKILL'))"
  const guard = spawn(process.execPath, ['-e', script, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.on('error', () => {})
  guard.unref()
  return guard
}

/** The URL that anvil says it listens on. */
async function listening(child: ReturnType<typeof spawn>): Promise<string> {
  if (!child.stdout) throw new ChainError({ what: 'anvil has no output' })
  const failed = once(child, 'error').then(([cause]) => {
    throw new ChainError({ what: 'anvil does not start', cause })
  })
  failed.catch(() => {})
  const lines = createInterface({ input: child.stdout })
  const found = (async () => {
    for await (const line of lines) {
      const at = /Listening on (\S+)/.exec(line)?.[1]
      if (at !== undefined) return `http://${at}`
    }
    throw new ChainError({ what: 'anvil ended before it listened' })
  })()
  const rpc = await Promise.race([found, failed])
  // Nobody reads further, and a full pipe would stop the node.
  child.stdout.resume()
  return rpc
}

function anvilPath(): string {
  const system = process.platform === 'win32' ? 'win32' : process.platform
  const machine = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const file = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  try {
    return createRequire(import.meta.url).resolve(
      `@foundry-rs/anvil-${system}-${machine}/bin/${file}`,
    )
  } catch (cause) {
    throw new ChainError({
      what: 'anvil is not installed here',
      why: `there is no build for ${system}-${machine}, or npm left it out`,
      cause,
    })
  }
}
