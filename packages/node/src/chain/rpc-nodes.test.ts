import { createRpcNodes, nodeName } from '@freehold/core/clearing/rpc-nodes'
import { systemClock } from '@freehold/core/platform'
import { createPublicClient, createWalletClient, parseEther } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from './dev-chain.ts'
import { type Mood, startRpcProxy } from './rpc-proxy.fixture.ts'

const TIMEOUT_MS = 1_000

let chain: DevChain
beforeAll(async () => {
  chain = await startDevChain()
})
afterAll(() => chain[Symbol.asyncDispose]())

/** Two proxies before one node, and a client that knows both. */
async function twoNodes(mood: Mood) {
  const stack = new AsyncDisposableStack()
  const first = stack.use(await startRpcProxy(chain.settings.rpc))
  const second = stack.use(await startRpcProxy(chain.settings.rpc))
  first.mood = mood
  let nowMs = Date.now()
  const clock = { ...systemClock, now: () => nowMs }
  const init = { urls: [first.url, second.url], chainId: foundry.id, timeoutMs: TIMEOUT_MS }
  const transport = createRpcNodes(init, { clock })
  const client = createPublicClient({ chain: foundry, transport, cacheTime: 0 })
  return {
    ...{ first, second, client, transport },
    advance: (ms: number) => {
      nowMs += ms
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

describe('several nodes', () => {
  it('default: the first is asked while it is well', async () => {
    await using nodes = await twoNodes({ kind: 'well' })
    expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
    expect(nodes.first.asked).toEqual(['eth_chainId', 'eth_blockNumber', 'eth_blockNumber'])
    expect(nodes.second.asked).toEqual([])
  })

  it('behaviour: 429 rests as long as the node says', async () => {
    await using nodes = await twoNodes({ kind: 'busy', retryAfter: '30' })
    expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
    expect(nodes.first.asked).toEqual(['eth_chainId'])
    nodes.first.mood = { kind: 'well' }
    nodes.advance(29_000)
    await nodes.client.getBlockNumber()
    expect(nodes.first.asked).toHaveLength(1)
    nodes.advance(2_000)
    await nodes.client.getBlockNumber()
    expect(nodes.first.asked.length).toBeGreaterThan(1)
  })

  it('behaviour: 503, silence and a closed port turn to the next', async () => {
    for (const mood of [{ kind: 'broken' }, { kind: 'silent', passesOn: false }] as const) {
      await using nodes = await twoNodes(mood)
      expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
      // Silence is paid for once: the next question goes to the second at once.
      await nodes.client.getBlockNumber()
      expect(nodes.first.asked).toEqual(['eth_chainId'])
    }
    await using nodes = await twoNodes({ kind: 'well' })
    await nodes.first[Symbol.asyncDispose]()
    expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
  })

  it('behaviour: a node of another chain is asked nothing else', async () => {
    await using nodes = await twoNodes({ kind: 'elsewhere', chainId: 1 })
    expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
    expect(nodes.first.asked).toEqual(['eth_chainId'])
  })

  it('behaviour: one node alone on another chain is named, without what is secret', async () => {
    await using proxy = await startRpcProxy(chain.settings.rpc)
    proxy.mood = { kind: 'elsewhere', chainId: 8453 }
    const url = proxy.url.replace('http://', 'http://user:secret@')
    const init = { urls: [`${url}/v2/key?token=1`], chainId: foundry.id, timeoutMs: TIMEOUT_MS }
    const client = createPublicClient({ transport: createRpcNodes(init, { clock: systemClock }) })
    const failed = await client.getBlockNumber().catch(String)
    expect(failed).toContain(`${new URL(proxy.url).host} is on another chain`)
    expect(failed).toContain('its id is 8453, this device clears on 31337')
    expect(nodeName(`${url}/v2/key?token=1`)).toBe(new URL(proxy.url).host)
  })

  it('behaviour: a node that lags behind is passed over', async () => {
    await using nodes = await twoNodes({ kind: 'broken' })
    for (let n = 0; n < 8; n++) await chain.advance(1)
    const head = await nodes.client.getBlockNumber()
    nodes.first.mood = { kind: 'behind', blocks: 7 }
    nodes.advance(60_000)
    expect(await nodes.client.getBlockNumber()).toBe(head)
    nodes.first.mood = { kind: 'well' }
    nodes.advance(60_000)
    nodes.first.asked.length = 0
    await nodes.client.getBlockNumber()
    expect(nodes.first.asked).toContain('eth_blockNumber')
  })

  it('behaviour: a node that named a head too high shuts out the others for two minutes only', async () => {
    await using nodes = await twoNodes({ kind: 'behind', blocks: -1_000_000 })
    await nodes.client.getBlockNumber()
    nodes.first.mood = { kind: 'broken' }
    nodes.advance(6_000)
    await expect(nodes.client.getBlockNumber()).rejects.toThrow('blocks behind')
    nodes.advance(120_000)
    expect(await nodes.client.getBlockNumber()).toBeLessThan(1_000_000n)
  })

  it('behaviour: all at rest are asked all the same', async () => {
    await using nodes = await twoNodes({ kind: 'broken' })
    nodes.second.mood = { kind: 'broken' }
    await expect(nodes.client.getBlockNumber()).rejects.toThrow()
    nodes.first.mood = { kind: 'well' }
    expect(await nodes.client.getBlockNumber()).toBeGreaterThan(0n)
  })

  it('behaviour: a transaction that a silent node passed on is sent once', async () => {
    await using nodes = await twoNodes({ kind: 'well' })
    const key = `0x${'17'.repeat(32)}` as const
    const account = privateKeyToAccount(key)
    await chain.fund(account.address, '1')
    const writer = createWalletClient({ account, chain: foundry, transport: nodes.transport })
    const to = `0x${'99'.repeat(20)}` as const
    const request = await writer.prepareTransactionRequest({ to, value: parseEther('0.1') })
    const raw = await writer.signTransaction(request)
    nodes.first.mood = { kind: 'silent', passesOn: true }
    await using _ = await holdBlocks()
    const hash = await writer.sendRawTransaction({ serializedTransaction: raw })
    await chain.advance(1)
    const receipt = await nodes.client.waitForTransactionReceipt({ hash })
    expect(receipt.status).toBe('success')
    expect(await nodes.client.getTransactionCount({ address: account.address })).toBe(1)
  })
})

/** Transactions wait until a block is asked for: else a second sending finds the first one done. */
async function holdBlocks(): Promise<AsyncDisposable> {
  const call = (on: boolean) =>
    fetch(chain.settings.rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'evm_setAutomine', params: [on] }),
    })
  await call(false)
  return { [Symbol.asyncDispose]: async () => void (await call(true)) }
}
