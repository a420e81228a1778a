import type { Chain } from '@freehold/core/clearing/chain'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { systemClock } from '@freehold/core/platform'
import { createTestClient, createWalletClient, http, parseGwei, publicActions } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from './dev-chain.ts'

let chain: DevChain
beforeAll(async () => {
  chain = await startDevChain()
})
afterAll(() => chain[Symbol.asyncDispose]())

/** An account with 100 units in the contract's ledger, and the chain as it sees it. */
async function saver(stuckMs: number) {
  const { rpc, house, token } = chain.settings
  const account = privateKeyToAccount(generatePrivateKey())
  const transport = http(rpc)
  const components = { transport, clock: systemClock }
  const init = { house: { chainId: foundry.id, address: house }, token, account, stuckMs }
  await chain.mint(account.address, 100n)
  await chain.fund(account.address, '1')
  const node = createTestClient({ mode: 'anvil', chain: foundry, transport }).extend(publicActions)
  const other = createWalletClient({ account, chain: foundry, transport })
  return { account, node, other, views: [0, 1].map(() => createViemChain(init, components)) }
}

/** Mines until the work is done, as a chain does. */
async function whileMining<T>(work: Promise<T>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  while (!isDone) await chain.advance(1)
  return work
}

describe('transactions', () => {
  it('default: one that is too cheap for the next blocks is replaced, and counts once', async () => {
    const { account, node, views } = await saver(300)
    await node.setAutomine(false)
    try {
      const { view, config } = await channelOf(views[0] as Chain, account.address)
      const sent = view.openWithAuthorization(await view.authorizeOpen(config, 100n))
      await expect.poll(() => node.getTransactionCount({ ...account, blockTag: 'pending' })).toBe(1)
      await node.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei('40') })
      await node.mine({ blocks: 1 })
      expect(await node.getTransactionCount(account)).toBe(0)
      const { gasUsed } = await whileMining(sent)
      expect(gasUsed).toBeGreaterThan(21_000n)
      expect(await node.getTransactionCount(account)).toBe(1)
      expect((await view.balances(account.address)).wallet).toBe(0n)
    } finally {
      await node.setAutomine(true)
    }
  })

  it('behaviour: what another program sent under its nonce is not taken for it', async () => {
    const { account, node, other, views } = await saver(60_000)
    await node.setAutomine(false)
    try {
      const { view, config } = await channelOf(views[0] as Chain, account.address)
      const sent = view.openWithAuthorization(await view.authorizeOpen(config, 100n))
      await expect.poll(() => node.getTransactionCount({ ...account, blockTag: 'pending' })).toBe(1)
      const fee = parseGwei('900')
      await other.sendTransaction({
        ...{ to: account.address, nonce: 0, maxFeePerGas: fee, maxPriorityFeePerGas: fee },
      })
      await expect(whileMining(sent)).rejects.toThrow('another program used the nonce')
      expect((await view.balances(account.address)).wallet).toBe(100n)
    } finally {
      await node.setAutomine(true)
    }
  })

  it('behaviour: two processes with one account never use one nonce', async () => {
    const { account, node, views } = await saver(60_000)
    await node.setAutomine(false)
    try {
      const openings = await Promise.all(
        views.map(async (one, salt) => {
          const { view, config } = await channelOf(one, account.address, salt)
          return { view, leave: await view.authorizeOpen(config, 40n) }
        }),
      )
      const sent = openings.map(({ view, leave }) => view.openWithAuthorization(leave))
      const mined = await whileMining(Promise.all(sent))
      expect(new Set(mined.map(({ hash }) => hash)).size).toBe(2)
      expect(await node.getTransactionCount(account)).toBe(2)
    } finally {
      await node.setAutomine(true)
    }
  })
})

async function channelOf(view: Chain, payer: `0x${string}`, salt = 0) {
  const config = {
    payer,
    payee: `0x${'be'.repeat(20)}`,
    signer: payer,
    delay: 172_800,
    flags: 0,
    salt: `0x${String(salt).padStart(64, '0')}`,
  } as const
  return { view, config }
}
