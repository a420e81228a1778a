import { from0x, toHex } from '@freehold/core/bytes'
import type { UnsubmittedError } from '@freehold/core/device/relaying'
import type { RelayReply, SignedOrder } from '@freehold/core/wire/relay-messages'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createFakeRelayer, type FakeRelayer } from './fake-relayer.fixture.ts'
import {
  accountOf,
  befriend,
  createTown,
  type Inhabitant,
  type Town,
  termsOn,
  toyEngine,
} from './town.fixture.ts'

const FEE = 20_000n
const QUICK = { showMs: 300, replyMs: 2_000 }
const NOWHERE = new Uint8Array(32).fill(7)
const said = (transaction: Uint8Array): RelayReply => ({ kind: 'submitted', transaction })

let town: Town
let bank: Awaited<ReturnType<Town['lender']>>
const fakes: FakeRelayer[] = []

beforeAll(async () => {
  town = await createTown()
  const payment = termsOn(town.chain.settings, { relayFee: Number(FEE) })
  bank = await town.lender({ payment, device: { engine: toyEngine() } })
})
afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake[Symbol.asyncDispose]()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

/** A device without coin that has 900,000 token units in the ledger and knows an honest relayer. */
async function customer(): Promise<Inhabitant> {
  const one = await town.inhabitant({ engine: toyEngine() })
  await one.device.peers.ask(bank.lending.addresses()[0]!)
  await one.device.wallet.deposit({ amount: 900_000n + FEE })
  return one
}

/** A relayer that asks less than the honest one, so that it is asked first. */
async function cheat(answer: Parameters<typeof createFakeRelayer>[1]): Promise<FakeRelayer> {
  const fake = await createFakeRelayer({ dev: town.chain, relayFee: 1_000 }, answer)
  fakes.push(fake)
  return fake
}

const submit = async ({ chain, account }: FakeRelayer, order: SignedOrder) =>
  chain.orders.submit({ relayer: account, order })

/** What the honest relayer did last: for the customer that came last. */
async function lastOfTheBank(): Promise<Uint8Array> {
  const rows = (await bank.device.tables.relayed.list()).map(([, row]) => row)
  const last = rows.sort((a, b) => a.startedAtMs - b.startedAtMs).at(-1)
  return from0x(last?.transaction ?? '')
}

describe('a relayer that', () => {
  it('default: does what it says is paid once, however often it tries', async () => {
    const { device } = await customer()
    const fake = await cheat(async (order, self) => said(from0x((await submit(self, order)).hash)))
    const to = accountOf(device)
    const before = (await device.balances()).wallet
    const done = await device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address })
    expect(done).toMatchObject({ fee: 1_000n, transaction: expect.stringMatching(/^0x/) })
    const after = await device.balances()
    expect(after).toMatchObject({ wallet: before + 5_000n, ledger: 894_000n, native: 0n })
    await expect(submit(fake, fake.orders[0]!)).rejects.toThrow(/contract refuses/)
    expect(await device.balances()).toEqual(after)
  })

  it.each<[string, () => Promise<Uint8Array>]>([
    ['a transaction that is nowhere', async () => NOWHERE],
    ['somebody else’s transaction', lastOfTheBank],
  ])('behaviour: names %s is not believed, and another one is asked', async (_, transaction) => {
    const { device } = await customer()
    await customer()
    const fake = await cheat(async () => said(await transaction()))
    const to = accountOf(device)
    const alone = device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address, ...QUICK })
    await expect(alone).rejects.toMatchObject({ name: 'UnsubmittedError', mayFollow: true })
    expect((await device.balances()).ledger).toBe(900_000n)
    await device.peers.ask(fake.address)
    // The same wish, by the same nonce: should the liar follow, the contract refuses one of the two.
    const done = await device.wallet.withdraw({ to, amount: 5_000n, ...QUICK })
    expect(done).toMatchObject({ fee: FEE })
    // It is not even asked: those that kept their word come first.
    expect(fake.orders).toHaveLength(1)
    for (const order of fake.orders) {
      await expect(submit(fake, order)).rejects.toThrow(/contract refuses/)
    }
    expect((await device.balances()).ledger).toBe(895_000n - FEE)
  })

  it.each<[string, () => Promise<Uint8Array>]>([
    ['nowhere', async () => NOWHERE],
    ['somebody else’s', lastOfTheBank],
  ])(
    'behaviour: does it and names a transaction that is %s is paid, without the lie',
    async (_, other) => {
      const { device } = await customer()
      await customer()
      const fake = await cheat(async (order, self) => {
        await submit(self, order)
        return said(await other())
      })
      const to = accountOf(device)
      const done = await device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address })
      expect(done).toMatchObject({ fee: 1_000n, transaction: null, gasUsed: null })
      expect(await device.wallet.relayFees()).toEqual({ paid: FEE + 1_000n, earned: 0n })
    },
  )

  it('behaviour: stays silent holds nobody up, and its order ends with the other’s', async () => {
    const { device } = await customer()
    const fake = await cheat(async () => null)
    await device.peers.ask(fake.address)
    const to = accountOf(device)
    const done = await device.wallet.withdraw({ to, amount: 5_000n, ...QUICK })
    expect(done).toMatchObject({ fee: FEE })
    await expect(submit(fake, fake.orders[0]!)).rejects.toThrow(/contract refuses/)
  })

  it('behaviour: stays silent keeps another wish waiting until its order is void', async () => {
    const { device } = await customer()
    const fake = await cheat(async () => null)
    const to = accountOf(device)
    const silent = device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address, ...QUICK })
    await expect(silent).rejects.toThrow(/may still do it/)
    const other = () => device.wallet.withdraw({ to, amount: 6_000n })
    await expect(other()).rejects.toThrow(/under way.*until/)
    // It follows after all: the wish came true, and the next one has its turn, with others first.
    await submit(fake, fake.orders[0]!)
    expect(await other()).toMatchObject({ fee: FEE })
    expect((await device.balances()).ledger).toBe(900_000n - 11_000n - 1_000n - FEE)
  })

  it('behaviour: keeps a deposit gets no rival until it is void', async () => {
    const { device } = await customer()
    const fake = await cheat(async () => null)
    await device.peers.ask(fake.address)
    const deposit = () => device.wallet.deposit({ amount: 100_000n, ...QUICK })
    // The honest relayer is not asked: two deposits could both happen.
    await expect(deposit()).rejects.toMatchObject({ mayFollow: true })
    await expect(deposit()).rejects.toThrow(/under way/)
    await town.chain.advance(200)
    await fake[Symbol.asyncDispose]()
    fakes.splice(0)
    await device.peers.ask(bank.lending.addresses()[0]!)
    expect(
      await device.wallet.deposit({ amount: 100_000n, relay: bank.lending.addresses()[0]! }),
    ).toMatchObject({ fee: FEE })
    expect((await device.balances()).ledger).toBe(1_000_000n - FEE)
  })

  it('behaviour: changes fee, recipient, amount or whom it pays gets nothing', async () => {
    const { device } = await customer()
    const refused: string[] = []
    const fake = await cheat(async (order, { chain, account }) => {
      if (order.kind !== 'withdraw') return null
      const changes: [SignedOrder, typeof account][] = [
        [{ ...order, fee: 800_000n }, account],
        [{ ...order, to: from0x(account) }, account],
        [{ ...order, amount: 800_000n }, account],
        [{ ...order, deadline: order.deadline + 1 }, account],
        [order, accountOf(bank.device)],
      ]
      for (const [changed, relayer] of changes) {
        const tried = chain.orders.submit({ relayer, order: changed })
        await tried.catch((error: Error) => refused.push(error.message))
      }
      return said(NOWHERE)
    })
    const to = accountOf(device)
    const asked = device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address, ...QUICK })
    await expect(asked).rejects.toThrow(/chain does not/)
    expect(refused).toHaveLength(5)
    for (const why of refused) expect(why).toMatch(/InvalidSignature/)
    expect((await device.balances()).ledger).toBe(900_000n)
    expect((await fake.chain.balances(fake.account)).ledger).toBe(0n)
  })

  it('behaviour: asks for more than it offered gets it only where that is agreed to', async () => {
    const { device } = await customer()
    const fake = await cheat(async (order, self) => {
      if ('fee' in order && order.fee < 7_000n) {
        return { kind: 'refuse', why: 'gas is dear', leastFee: 7_000n }
      }
      return said(from0x((await submit(self, order)).hash))
    })
    const to = accountOf(device)
    const withdraw = (agree?: () => boolean) =>
      device.wallet.withdraw({ to, amount: 5_000n, relay: fake.address, agree })
    await expect(withdraw()).rejects.toThrow(/fee of 7000 .* not agreed to/)
    expect((await device.balances()).ledger).toBe(900_000n)
    expect(await withdraw(() => true)).toMatchObject({ fee: 7_000n })
    expect((await device.balances()).ledger).toBe(900_000n - 5_000n - 7_000n)
  })

  it('behaviour: is not there, or does not relay, is named', async () => {
    const { device } = await town.inhabitant({ engine: toyEngine() })
    await town.chain.mint(accountOf(device), 5n)
    await expect(device.wallet.deposit({ amount: 1n })).rejects.toThrow(
      /no native coin.*no known lender does.*freehold offers/,
    )
    const payment = termsOn(town.chain.settings, { relaysOpening: false })
    const mute = await town.lender({ payment, device: { engine: toyEngine() } })
    const relay = mute.lending.addresses()[0]!
    await expect(device.wallet.deposit({ amount: 1n, relay })).rejects.toThrow(/--relay/)
  })

  it('behaviour: is the payee and refuses a top-up is owed nothing', async () => {
    const { device } = await customer()
    const { channel } = await befriend(device, bank.lending, 800_000n)
    const { id } = channel
    const fee = async () => (await device.tables.channels.get(id))?.relayFee
    const owed = await fee()
    // The honest payee refuses so little.
    const small = device.wallet.topUp({ channel: id, amount: 150_000n, ...QUICK })
    await expect(small).rejects.toThrow(/takes 200000 or more/)
    expect(await fee()).toBe(owed)
    expect(await small.catch((error: UnsubmittedError) => error.mayFollow)).toBe(false)
  })

  it('behaviour: is the payee and stays silent is owed the fee until its order is void', async () => {
    const { device } = await customer()
    const { channel } = await befriend(device, bank.lending, 800_000n)
    const { id } = channel
    const fee = async () => (await device.tables.channels.get(id))?.relayFee
    const owed = (await fee()) ?? 0n
    const fake = await cheat(async () => null)
    await device.peers.ask(fake.address)
    // As if the channel were the silent one's.
    const silent = toHex((await device.peers.ask(fake.address)).lender)
    await device.tables.channels.update(id, (old) => old && { ...old, peer: silent })
    const topUp = device.wallet.topUp({ channel: id, amount: 300_000n, ...QUICK })
    await expect(topUp).rejects.toMatchObject({ mayFollow: true })
    expect(await fee()).toBe(owed + 1_000n)
    await town.chain.advance(200)
    await device.wallet.relayFees()
    expect(await fee()).toBe(owed)
    expect((await device.tables.orders.list()).filter(([, { isDone }]) => !isDone)).toEqual([])
  })
})
