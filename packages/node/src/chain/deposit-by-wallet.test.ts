import {
  connectWallet,
  type DepositByWalletInit,
  depositByWallet,
} from '@freehold/core/clearing/deposit-by-wallet'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from './dev-chain.ts'
import { createStandInWallet, type StandInWallet } from './stand-in-wallet.fixture.ts'

const AMOUNT = 700n

let chain: DevChain
beforeAll(async () => {
  chain = await startDevChain()
})
afterAll(() => chain[Symbol.asyncDispose]())

/** A device without native coin, and a wallet of another program with coin and 1,000 token units. */
async function pair() {
  const { rpc, chainId, house: address, token } = chain.settings
  const account = privateKeyToAccount(generatePrivateKey())
  const view = createViemChain(
    { house: { chainId, address }, token, account },
    { transport: http(rpc), clock: systemClock },
  )
  const wallet = createStandInWallet(rpc)
  await chain.mint(wallet.address, 1_000n)
  await chain.fund(wallet.address, '1')
  const steps: string[] = []
  const deposit = (init: Partial<DepositByWalletInit> = {}) =>
    depositByWallet(
      {
        provider: wallet,
        from: wallet.address,
        account: account.address,
        amount: AMOUNT,
        onMined: (step) => steps.push(step),
        ...init,
      },
      { chain: view, clock: systemClock, random: systemRandom },
    )
  const amounts = async () => {
    const [device, other] = await Promise.all(
      [account.address, wallet.address].map((one) => view.balances(one)),
    )
    return { wallet: device?.wallet, ledger: device?.ledger, other: other?.wallet }
  }
  return { account, wallet, deposit, steps, amounts }
}

const sent = ({ asked }: StandInWallet) =>
  asked.filter(({ method }) => method === 'eth_sendTransaction').length

describe('deposit by another wallet', () => {
  it('default: its tokens are in the device’s ledger balance, and the device paid no gas', async () => {
    const { account, wallet, deposit, steps, amounts } = await pair()
    expect(await connectWallet(wallet, chain.settings.chainId)).toBe(wallet.address)
    await deposit()
    expect(await amounts()).toEqual({ wallet: 0n, ledger: AMOUNT, other: 300n })
    expect(steps).toEqual(['handed', 'deposited'])
    const asked = wallet.asked.filter(({ method }) => method === 'eth_sendTransaction')
    const { token, house } = chain.settings
    expect(asked.map(({ params: [call] = [] }) => (call as { to: string }).to)).toEqual([
      token,
      house,
    ])
    expect(JSON.stringify(asked[0]).toLowerCase()).toContain(account.address.slice(2).toLowerCase())
  })

  it('behaviour: a wallet on another chain is asked to switch, and not believed', async () => {
    const { wallet, deposit, amounts } = await pair()
    const { chainId } = chain.settings
    wallet.chainId = 1
    await connectWallet(wallet, chainId)
    expect(wallet.chainId).toBe(chainId)
    wallet.chainId = 1
    wallet.knows = [1]
    await expect(connectWallet(wallet, chainId)).rejects.toMatchObject({ reason: 'unknown-chain' })
    wallet.knows = [1, chainId]
    wallet.says = (method) => (method === 'wallet_switchEthereumChain' ? 'done' : undefined)
    await expect(connectWallet(wallet, chainId)).rejects.toMatchObject({ reason: 'elsewhere' })
    // It went elsewhere after it was connected.
    await expect(deposit()).rejects.toMatchObject({ reason: 'elsewhere' })
    expect(sent(wallet)).toBe(0)
    expect((await amounts()).other).toBe(1_000n)
  })

  it('behaviour: a no to the first transaction moves nothing', async () => {
    const { wallet, deposit, amounts, steps } = await pair()
    wallet.refuses = ['eth_sendTransaction']
    await expect(deposit()).rejects.toMatchObject({ reason: 'refused' })
    expect([steps, await amounts()]).toEqual([[], { wallet: 0n, ledger: 0n, other: 1_000n }])
    wallet.refuses = ['eth_requestAccounts']
    const connected = connectWallet(wallet, chain.settings.chainId)
    await expect(connected).rejects.toMatchObject({ reason: 'refused' })
  })

  it('behaviour: a no to the second leaves the tokens with the device, and it can be finished', async () => {
    const { wallet, deposit, amounts, steps } = await pair()
    wallet.onAsk = async ({ method }) => {
      if (method === 'eth_sendTransaction' && sent(wallet) === 2) throw { code: 4001 }
    }
    await expect(deposit()).rejects.toMatchObject({ reason: 'refused' })
    expect([steps, await amounts()]).toEqual([
      ['handed'],
      { wallet: AMOUNT, ledger: 0n, other: 300n },
    ])
    await deposit({ isHanded: true })
    expect(await amounts()).toEqual({ wallet: 0n, ledger: AMOUNT, other: 300n })
  })

  it('behaviour: too little, a reverted transaction and nonsense are named', async () => {
    const { wallet, deposit } = await pair()
    await expect(deposit({ amount: 1_001n })).rejects.toMatchObject({ reason: 'too-little' })
    expect(sent(wallet)).toBe(0)
    wallet.says = (method) => (method === 'eth_sendTransaction' ? '0x12' : undefined)
    await expect(deposit()).rejects.toThrow('names no transaction')
    wallet.says = (method) =>
      method === 'eth_getTransactionReceipt' ? { status: '0x0' } : undefined
    await expect(deposit()).rejects.toThrow('reverted')
    wallet.says = (method) => (method === 'eth_requestAccounts' ? ['me'] : undefined)
    await expect(connectWallet(wallet, chain.settings.chainId)).rejects.toThrow('no account')
  })

  it('behaviour: what a wallet says of a block is not believed without the device’s own node', async () => {
    const { wallet, deposit, amounts, steps } = await pair()
    const stop = new AbortController()
    wallet.says = (method) => {
      if (method === 'eth_sendTransaction') return `0x${'1'.repeat(64)}`
      if (method !== 'eth_getTransactionReceipt') return undefined
      stop.abort(new Error('enough'))
      return { status: '0x1' }
    }
    await expect(deposit({ signal: stop.signal })).rejects.toThrow('enough')
    expect([steps, await amounts()]).toEqual([[], { wallet: 0n, ledger: 0n, other: 1_000n }])
  })
})
