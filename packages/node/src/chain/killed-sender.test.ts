import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SentTransaction } from '@freehold/core/clearing/sent-transactions'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { systemClock } from '@freehold/core/platform'
import { createTestClient, http, parseGwei, publicActions } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqliteStorage } from '../storage/sqlite-storage.ts'
import { type DevChain, startDevChain } from './dev-chain.ts'

const SENDER = fileURLToPath(new URL('./send-and-hang.fixture.ts', import.meta.url))
const STUCK_MS = 200
let chain: DevChain
let folder: string
let homes = 0
beforeAll(async () => {
  chain = await startDevChain()
  folder = await mkdtemp(join(tmpdir(), 'freehold-killed-sender-'))
})
afterAll(async () => {
  await chain[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/**
 * An account with 100 units in the ledger, whose process was killed (SIGKILL) with a withdrawal of 30 of
 * them on its way, and no block takes it.
 */
async function widow() {
  const { rpc, house, token } = chain.settings
  const key = generatePrivateKey()
  const account = privateKeyToAccount(key)
  const database = join(folder, `${homes++}.db`)
  const storage = openSqliteStorage(database)
  const view = createViemChain(
    { house: { chainId: foundry.id, address: house }, token, account, stuckMs: STUCK_MS },
    { transport: http(rpc), clock: systemClock, sent: storage.table('sent') },
  )
  await chain.mint(account.address, 100n)
  await chain.fund(account.address, '1')
  const { orders } = view
  const salt = new Uint8Array(32).fill(7)
  const bare = { account: addressBytes(account.address), amount: 100n, fee: 0n, salt }
  const deadline = (await orders.timeSeconds()) + 600
  const order = await orders.authorize({
    ...{ house: view.house, relayer: account.address },
    order: { kind: 'depositFromWallet', ...bare, deadline, signature: new Uint8Array(65) },
  })
  await orders.submit({ relayer: account.address, order })
  const node = createTestClient({ mode: 'anvil', chain: foundry, transport: http(rpc) }).extend(
    publicActions,
  )
  await node.setAutomine(false)
  const to = privateKeyToAccount(generatePrivateKey()).address
  const args = [SENDER, database, key, JSON.stringify(chain.settings), to, '30']
  const child = spawn(process.execPath, ['--no-warnings', ...args], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const pending = () => node.getTransactionCount({ ...account, blockTag: 'pending' })
  await expect.poll(pending, { timeout: 30_000 }).toBe(2)
  child.kill('SIGKILL')
  expect(await ended).toEqual([null, 'SIGKILL'])
  const balance = async () => (await view.balances(to)).wallet
  const finish = async () => {
    await node.setAutomine(true)
    await storage[Symbol.asyncDispose]()
  }
  const left = async () => (await view.balances(account.address)).ledger
  const sent = storage.table<SentTransaction>('sent')
  const [[row, noted] = []] = await sent.list()
  if (row === undefined || noted === undefined) throw new Error('it left without a word')
  /** Until whoever lives would have sent it again. */
  const mourn = () => expect.poll(() => Date.now() - noted.atMs).toBeGreaterThan(2 * STUCK_MS)
  const mine = <T>(work: Promise<T>, nonces: number) =>
    sendThenMine(work, async () => (await pending()) >= nonces)
  return { account, node, view, to, balance, left, finish, sent, row, noted, mourn, mine }
}

const addressBytes = (address: string) => new Uint8Array(Buffer.from(address.slice(2), 'hex'))

/** Lets something be sent while no block comes, then mines until it is done. */
async function sendThenMine<T>(work: Promise<T>, isSent: () => Promise<boolean>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  await expect.poll(isSent, { timeout: 30_000 }).toBe(true)
  while (!isDone) await chain.advance(1)
  return work
}

describe('a transaction whose process was killed', () => {
  it('default: the next process sends it again before its own, and each counts once', {
    timeout: 60_000,
  }, async () => {
    const { account, node, view, to, balance, left, finish, sent, noted, mourn, mine } =
      await widow()
    try {
      await mourn()
      const { gasUsed } = await mine(view.withdraw(to, 5n), 3)
      expect(gasUsed).toBeGreaterThan(21_000n)
      expect(await node.getTransactionCount(account)).toBe(3)
      expect([await balance(), await left()]).toEqual([35n, 65n])
      const hash = noted.hashes[0]!
      await expect(node.getTransactionReceipt({ hash })).rejects.toThrow(/not be found/)
      // Nothing is left to be sent again: what follows has a nonce of its own.
      await mine(view.withdraw(to, 1n), 4)
      expect(await node.getTransactionCount(account)).toBe(4)
      expect([await balance(), await left()]).toEqual([36n, 64n])
      expect(await sent.list()).toEqual([])
    } finally {
      await finish()
    }
  })

  it('behaviour: who asks for the very same again goes on with it, and pays once', {
    timeout: 60_000,
  }, async () => {
    const { account, node, view, to, balance, left, finish, sent, row } = await widow()
    try {
      const isAgain = async () => ((await sent.get(row))?.hashes.length ?? 0) > 1
      await sendThenMine(view.withdraw(to, 30n), isAgain)
      expect(await node.getTransactionCount(account)).toBe(2)
      expect([await balance(), await left()]).toEqual([30n, 70n])
    } finally {
      await finish()
    }
  })

  it('behaviour: what was sent a moment ago is waited for, and what is behind it counts then', {
    timeout: 60_000,
  }, async () => {
    const { account, node, view, to, balance, left, finish, mine } = await widow()
    try {
      await mine(view.withdraw(to, 5n), 3)
      expect(await node.getTransactionCount(account)).toBe(3)
      expect([await balance(), await left()]).toEqual([35n, 65n])
    } finally {
      await finish()
    }
  })

  it('behaviour: what its node has dropped hinders nobody, and never counts', {
    timeout: 60_000,
  }, async () => {
    const { account, node, view, to, balance, left, finish, mourn, mine } = await widow()
    try {
      // Gas got dearer than what it offered.
      await node.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei('40') })
      await node.mine({ blocks: 1 })
      expect(await node.getTransactionCount(account)).toBe(1)
      await mourn()
      await mine(view.withdraw(to, 5n), 2)
      expect(await node.getTransactionCount(account)).toBe(2)
      expect([await balance(), await left()]).toEqual([5n, 95n])
    } finally {
      await finish()
    }
  })

  it('behaviour: what would revert by now makes room, and costs no more than that', {
    timeout: 60_000,
  }, async () => {
    const { account, node, view, to, balance, left, finish, sent, ...dead } = await widow()
    try {
      // A call that the contract does not take any more.
      await sent.put(dead.row, { ...dead.noted, data: '0xdeadbeef' })
      await dead.mourn()
      await dead.mine(view.withdraw(to, 5n), 3)
      expect(await node.getTransactionCount(account)).toBe(3)
      expect([await balance(), await left()]).toEqual([5n, 95n])
    } finally {
      await finish()
    }
  })
})
