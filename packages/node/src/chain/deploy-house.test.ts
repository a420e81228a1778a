import { clearingHouseAbi } from '@freehold/contracts/clearing-house'
import { ChainError, ClearingError } from '@freehold/core/errors'
import { createTestClient, getAddress, http, publicActions } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deployHouse, houseAddressOf } from './deploy-house.ts'
import { type DevChain, startDevChain } from './dev-chain.ts'

const PROXY = '0x4e59b44847b379578588920cA78FbF26c0B4956C'
let chain: DevChain

beforeAll(async () => {
  chain = await startDevChain()
})
afterAll(() => chain[Symbol.asyncDispose]())

const client = () =>
  createTestClient({ mode: 'anvil', chain: foundry, transport: http(chain.settings.rpc) }).extend(
    publicActions,
  )
const rich = async () => {
  const account = privateKeyToAccount(generatePrivateKey())
  await chain.fund(account.address, '1')
  return account
}
/** A token of its own for each test: there is one house for each. */
const aToken = async () => {
  const { address } = privateKeyToAccount(generatePrivateKey())
  await client().setCode({ address, bytecode: '0x00' })
  return { rpc: chain.settings.rpc, token: address }
}

describe('deployHouse', () => {
  it('default: deploys where it said, once', async () => {
    const init = { rpc: chain.settings.rpc, token: chain.settings.token, chainId: foundry.id }
    const planned = await deployHouse(init)
    expect(planned).toMatchObject({ isDeployed: false, transaction: null })
    expect(planned.house).toBe(houseAddressOf(init.token))
    expect(await client().getCode({ address: planned.house })).toBeUndefined()

    const done = await deployHouse(init, { account: await rich() })
    expect(done).toMatchObject({ isDeployed: true, house: planned.house, chainId: foundry.id })
    expect(done.gas).toBeLessThanOrEqual(planned.gas)
    expect(done.feeWei).toBeLessThanOrEqual(planned.feeWei)
    const call = { address: done.house, abi: clearingHouseAbi, functionName: 'token' } as const
    expect(getAddress(await client().readContract(call))).toBe(getAddress(init.token))

    // Whoever comes next needs no coin.
    const poor = privateKeyToAccount(generatePrivateKey())
    const again = await deployHouse(init, { account: poor })
    expect(again).toMatchObject({ isDeployed: true, house: done.house, gas: 0n, transaction: null })
  })

  it('behaviour: puts the proxy there on a chain that has none', async () => {
    await client().setCode({ address: PROXY, bytecode: '0x' })
    await client().setNonce({ address: PROXY, nonce: 0 })
    const init = await aToken()
    const planned = await deployHouse(init)
    const account = await rich()
    const done = await deployHouse(init, { account })
    expect(done).toMatchObject({ isDeployed: true, house: houseAddressOf(init.token) })
    expect(await client().getCode({ address: PROXY })).toHaveLength(2 + 2 * 69)
    const left = await client().getBalance({ address: account.address })
    expect(10n ** 18n - left).toBeLessThanOrEqual(planned.feeWei)
  })

  it('behaviour: refuses another chain, a token that is none, and an account without coin', async () => {
    const account = await rich()
    const { rpc, token } = await aToken()
    const refused = async (init: Parameters<typeof deployHouse>[0], by = account) => {
      await expect(deployHouse(init, { account: by })).rejects.toThrow(ClearingError)
      expect(await client().getTransactionCount({ address: by.address })).toBe(0)
      return deployHouse(init, { account: by }).catch((error: Error) => error.message)
    }
    const keyed = `${rpc}/?key=node-secret`
    const another = await refused({ rpc: keyed, token, chainId: 1 })
    expect(another).toMatch(/127\.0\.0\.1:\d+ is chain 31337, not 1/)
    // What is printed ends in logs and pictures.
    expect(another).not.toMatch(/node-secret/)
    expect(await refused({ rpc, token: account.address })).toMatch(/there is no token at/)
    const poor = privateKeyToAccount(generatePrivateKey())
    expect(await refused({ rpc, token }, poor)).toMatch(/holds 0 of the native coin/)
  })

  it('behaviour: a chain that does not answer is said so', async () => {
    const { token } = chain.settings
    await expect(deployHouse({ rpc: 'http://127.0.0.1:9', token })).rejects.toThrow(ChainError)
  })
})
