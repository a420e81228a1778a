/** The relayer's side on a real chain: what strangers may ask of it, and what that may cost. */
import { from0x, to0x, toHex } from '@freehold/core/bytes'
import { type ChannelRecord, createChannelRecord } from '@freehold/core/clearing/channel'
import { signOrder, UNSIGNED } from '@freehold/core/clearing/orders'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import type { Tables } from '@freehold/core/device/parts'
import type { RelayedRecord } from '@freehold/core/device/records'
import { createRelayDesk, type RelayDeskInit } from '@freehold/core/device/relay-desk'
import { DEFAULT_DEADLINES } from '@freehold/core/lending/deadlines'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { createMemoryStorage } from '@freehold/core/storage.memory'
import type { OfferedPayment } from '@freehold/core/wire/offer'
import type { RelayRequest, SignedOrder } from '@freehold/core/wire/relay-messages'
import { http } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, startDevChain } from '../chain/dev-chain.ts'
import { termsOn } from './town.fixture.ts'

const FEE = 20_000n
const relayer = privateKeyToAccount(generatePrivateKey())
let chain: DevChain

beforeAll(async () => {
  chain = await startDevChain()
  await chain.fund(relayer.address, '1')
})
afterAll(async () => {
  await chain[Symbol.asyncDispose]()
})

type Account = ReturnType<typeof privateKeyToAccount>

const chainOf = (account: Account) => {
  const { chainId, house: address, token, rpc } = chain.settings
  const house = { chainId, address }
  return createViemChain({ house, token, account }, { transport: http(rpc), clock: systemClock })
}
const nativeOf = async () => (await chainOf(relayer).balances(relayer.address)).native

function createDesk(init: Partial<RelayDeskInit> = {}, account = relayer) {
  let now = Date.now()
  const storage = createMemoryStorage()
  const tables = {
    relayed: storage.table<RelayedRecord>('relayed'),
    channels: storage.table<ChannelRecord>('channels'),
  }
  const desk = createRelayDesk(
    { unitsPerCoin: null, ...init },
    {
      ...{ chain: chainOf(account), tables: tables as Tables, log: () => {} },
      ...{ clock: { now: () => now, after: () => () => {} }, deadlines: DEFAULT_DEADLINES },
    },
  )
  const payment: OfferedPayment = {
    ...termsOn(chain.settings, { relayFee: Number(FEE) }),
    ...{ payee: from0x(account.address), payeeSig: new Uint8Array(65) },
  }
  return { desk, tables, payment, pass: (ms: number) => (now += ms) }
}

type Desk = ReturnType<typeof createDesk>

/** An account with five million token units in its ledger, which a first desk put there. */
async function createAsker() {
  const wallet = privateKeyToAccount(generatePrivateKey())
  const own = chainOf(wallet)
  const { house } = own
  await chain.mint(wallet.address, 5_000_000n)
  const deadline = (await own.orders.timeSeconds()) + 600
  const account = from0x(wallet.address)
  const salt = systemRandom(32)
  const amounts = { amount: 5_000_000n, fee: FEE, deadline }
  const bare: SignedOrder = {
    kind: 'depositFromWallet',
    ...{ ...amounts, account, salt, signature: UNSIGNED },
  }
  const deposit = await own.orders.authorize({ house, relayer: relayer.address, order: bare })
  const peer = systemRandom(32)

  const request = (order: SignedOrder, changes: Partial<RelayRequest> = {}): RelayRequest => ({
    chainId: house.chainId,
    house: from0x(house.address),
    settleFirst: [],
    order,
    ...changes,
  })
  const ask = ({ desk, payment }: Desk, order: SignedOrder, changes?: Partial<RelayRequest>) =>
    desk.answer(request(order, changes), peer, payment)

  /** A withdrawal whose parts can be falsified before it is signed, and after. */
  async function withdrawal(
    changes: {
      before?: Partial<SignedOrder & { kind: 'withdraw' }>
      after?: Partial<SignedOrder & { kind: 'withdraw' }>
      as?: Partial<Parameters<typeof signOrder>[1]>
    } = {},
  ): Promise<SignedOrder & { kind: 'withdraw' }> {
    const order: SignedOrder = {
      ...{ kind: 'withdraw', account, to: account, amount: 1_000n, fee: FEE },
      ...{ nonce: await own.orders.nonce(wallet.address), deadline, signature: UNSIGNED },
      ...changes.before,
    }
    const signed = await signOrder(wallet, {
      ...{ house, relayer: relayer.address, order },
      ...changes.as,
    })
    return { ...signed, ...changes.after } as SignedOrder & { kind: 'withdraw' }
  }
  return { wallet, own, peer, deposit, ask, withdrawal, deadline, house }
}

/** One whose deposit has been relayed. */
async function createOwner() {
  const asker = await createAsker()
  expect(await asker.ask(createDesk(), asker.deposit)).toMatchObject({ kind: 'submitted' })
  return asker
}

describe('submitting for others', () => {
  it('default: submits it, is paid in the same transaction, and says what it cost', async () => {
    const asker = await createAsker()
    const told: unknown[] = []
    const desk = createDesk({ onRelay: (row) => told.push(row) })
    const ledgers = async () => [
      (await asker.own.balances(asker.wallet.address)).ledger,
      (await asker.own.balances(relayer.address)).ledger,
    ]
    const [, before = 0n] = await ledgers()
    const native = await nativeOf()
    expect(await asker.ask(desk, asker.deposit)).toMatchObject({ kind: 'submitted' })
    expect(await ledgers()).toEqual([5_000_000n - FEE, before + FEE])
    const rows = await desk.tables.relayed.list()
    expect(told).toEqual(rows.map(([, row]) => row))
    expect(told).toMatchObject([{ kind: 'depositFromWallet', fee: FEE }])
    expect(rows[0]?.[1].feeWei).toBe(native - (await nativeOf()))
  })

  it('behaviour: the same order is sent once, however often and by whomever it is asked for', async () => {
    const asker = await createOwner()
    const desk = createDesk()
    const order = await asker.withdrawal()
    const [one, other] = await Promise.all([asker.ask(desk, order), asker.ask(desk, order)])
    expect(one).toMatchObject({ kind: 'submitted' })
    expect(other).toEqual(one)
    const native = await nativeOf()
    const { signature } = order
    const twin = signature.with(64, signature[64] === 27 ? 28 : 27)
    for (const again of [order, { ...order, signature: twin }]) {
      expect(await asker.ask(desk, again)).toEqual(one)
    }
    expect((await asker.own.balances(asker.wallet.address)).wallet).toBe(1_000n)
    // Another relayer's simulation shows that its nonce is spent.
    expect(await asker.ask(createDesk(), order)).toMatchObject({ kind: 'refuse' })
    expect(await nativeOf()).toBe(native)
  })

  it('behaviour: of several that would spend the same money, one is sent and none reverts', async () => {
    const asker = await createOwner()
    const desk = createDesk()
    const orders = await Promise.all(
      [1n, 2n, 3n].map((more) => asker.withdrawal({ before: { amount: 4_900_000n + more } })),
    )
    const native = await nativeOf()
    const replies = await Promise.all(orders.map((order) => asker.ask(desk, order)))
    expect(replies.map(({ kind }) => kind).sort()).toEqual(['refuse', 'refuse', 'submitted'])
    for (const reply of replies) {
      if (reply.kind === 'refuse') expect(reply.why).toMatch(/another order of this account/)
    }
    const [[, row]] = (await desk.tables.relayed.list()) as [[string, RelayedRecord]]
    expect(native - (await nativeOf())).toBe(row.feeWei)
  })

  it('behaviour: what a dead process may have sent is not sent again', async () => {
    const asker = await createOwner()
    const desk = createDesk()
    const order = await asker.withdrawal()
    await asker.ask(desk, order)
    const native = await nativeOf()
    for (const [id, row] of await desk.tables.relayed.list()) {
      await desk.tables.relayed.put(id, { ...row, transaction: null })
    }
    const reply = await asker.ask(desk, order)
    expect(reply).toMatchObject({ kind: 'refuse', why: expect.stringMatching(/refuses|before/) })
    expect(await nativeOf()).toBe(native)
  })

  type Asker = Awaited<ReturnType<typeof createAsker>>
  type Case = (asker: Asker) => Promise<[SignedOrder, Partial<RelayRequest>?]>
  const HALF_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const stranger = new Uint8Array(20).fill(7)

  it.each<[string, RegExp, Case]>([
    ['is expired', /expired/, async (a) => [await a.withdrawal({ before: { deadline: 1 } })]],
    [
      'holds for years',
      /more than a day/,
      async (a) => [await a.withdrawal({ before: { deadline: a.deadline + 86_400 } })],
    ],
    [
      'says another chain',
      /another chain or contract/,
      async (a) => [await a.withdrawal(), { chainId: 1 }],
    ],
    [
      'says another contract',
      /another chain or contract/,
      async (a) => [await a.withdrawal(), { house: stranger }],
    ],
    [
      'is signed for another chain',
      /did not sign it/,
      async (a) => [await a.withdrawal({ as: { house: { ...a.house, chainId: 1 } } })],
    ],
    [
      'is signed for another relayer',
      /did not sign it/,
      async (a) => [await a.withdrawal({ as: { relayer: a.wallet.address } })],
    ],
    [
      'has another amount than was signed',
      /did not sign it/,
      async (a) => [await a.withdrawal({ after: { amount: 2_000n } })],
    ],
    [
      'has another fee than was signed',
      /did not sign it/,
      async (a) => [await a.withdrawal({ after: { fee: 2n * FEE } })],
    ],
    [
      'pays too little',
      /fee is too low/,
      async (a) => [await a.withdrawal({ before: { fee: 1n } })],
    ],
    [
      'has a malleable signature',
      /malleable/,
      async (a) => {
        const { signature, ...order } = await a.withdrawal()
        const s = HALF_ORDER - BigInt(`0x${toHex(signature.subarray(32, 64))}`)
        const high = signature.slice()
        high.set(from0x(s.toString(16).padStart(64, '0')), 32)
        return [{ ...order, signature: high }]
      },
    ],
    [
      'has a nonce that is not its turn',
      /contract refuses/,
      async (a) => [await a.withdrawal({ before: { nonce: 9 } })],
    ],
    [
      'takes more than there is',
      /InsufficientBalance/,
      async (a) => [await a.withdrawal({ before: { amount: 5_000_000n } })],
    ],
    [
      'pays a fee that is not there',
      /InsufficientBalance/,
      async (a) => [await a.withdrawal({ before: { fee: 6_000_000n } })],
    ],
    [
      'sends the money into the contract',
      /InvalidRecipient/,
      async (a) => [await a.withdrawal({ before: { to: from0x(a.house.address) } })],
    ],
    ['was done before', /contract refuses/, async (a) => [a.deposit]],
    [
      'tops up a channel that pays somebody else',
      /only the payee/,
      async (a) => {
        const config = {
          ...{ payer: from0x(a.wallet.address), signer: stranger, payee: stranger },
          ...{ delay: 3_600, flags: 0, salt: new Uint8Array(32) },
        }
        const amounts = { amount: FEE * 10n, fee: FEE, salt: new Uint8Array(32) }
        const bare = { config, ...amounts, deadline: a.deadline, signature: UNSIGNED }
        return [{ kind: 'topUpFromWallet', ...bare }]
      },
    ],
    [
      'ends a channel that nobody opened',
      /ChannelNotOpen/,
      async (a) => {
        const parties = { payer: from0x(a.wallet.address), signer: stranger, payee: stranger }
        const config = { ...parties, delay: 3_600, flags: 0, salt: new Uint8Array(32) }
        return [{ kind: 'finalizeClose', config }]
      },
    ],
    [
      'has a settlement before it, and would still be refused',
      /InsufficientBalance/,
      async (a) => {
        const parties = { payer: stranger, signer: stranger, payee: from0x(a.wallet.address) }
        const config = { ...parties, delay: 3_600, flags: 0, salt: new Uint8Array(32) }
        const row = { config, cumulative: 1n, signature: new Uint8Array(65) }
        const before = { amount: 5_000_000n, fee: 2n * FEE }
        return [await a.withdrawal({ before }), { settleFirst: [row] }]
      },
    ],
    [
      'settles what pays somebody else',
      /pays somebody else/,
      async (a) => {
        const parties = { payer: stranger, signer: stranger, payee: stranger }
        const config = { ...parties, delay: 3_600, flags: 0, salt: new Uint8Array(32) }
        const row = { config, cumulative: 1n, signature: new Uint8Array(65) }
        return [await a.withdrawal({ before: { fee: 2n * FEE } }), { settleFirst: [row] }]
      },
    ],
  ])('behaviour: an order that %s is refused and costs no gas', async (_, why, make) => {
    const asker = await createOwner()
    const desk = createDesk()
    const [order, changes] = await make(asker)
    const native = await nativeOf()
    const reply = await asker.ask(desk, order, changes)
    expect(reply).toMatchObject({ kind: 'refuse', why: expect.stringMatching(why) })
    expect(await nativeOf()).toBe(native)
    expect(await desk.tables.relayed.list()).toEqual([])
  })

  it('behaviour: the fee covers what gas costs now, at the owner’s price for the coin', async () => {
    const asker = await createOwner()
    const desk = createDesk({ unitsPerCoin: 3_000_000_000n })
    const native = await nativeOf()
    const cheap = await asker.ask(desk, await asker.withdrawal())
    expect(cheap).toMatchObject({ kind: 'refuse', why: expect.stringMatching(/gas costs/) })
    const least = (cheap as { leastFee: bigint }).leastFee
    expect(least).toBeGreaterThan(FEE)
    expect(await nativeOf()).toBe(native)
    const fair = await asker.withdrawal({ before: { fee: 2n * least } })
    expect(await asker.ask(desk, fair)).toMatchObject({ kind: 'submitted' })
    const spent = (await desk.tables.relayed.list()).map(([, { feeWei }]) => feeWei)
    expect((spent[0]! * 3_000_000_000n) / 10n ** 18n).toBeLessThan(2n * least)
  })

  it('behaviour: a device that floods it is refused, and others are served up to a number', async () => {
    const asker = await createOwner()
    const desk = createDesk()
    const bad = await asker.withdrawal({ before: { amount: 5_000_000n } })
    for (let i = 0; i < 6; i++) {
      expect(await asker.ask(desk, { ...bad, to: new Uint8Array(20).fill(i) })).toMatchObject({
        why: expect.stringMatching(/did not sign/),
      })
    }
    expect(await asker.ask(desk, await asker.withdrawal())).toMatchObject({
      why: expect.stringMatching(/six orders within ten minutes/),
    })
    desk.pass(600_001)
    expect(await asker.ask(desk, await asker.withdrawal())).toMatchObject({ kind: 'submitted' })
  })

  it.each<[string, (desk: Desk) => Partial<OfferedPayment> | null]>([
    ['does not relay', () => ({ relaysOpening: false })],
    ['lends for free', () => null],
  ])('behaviour: a device that %s says so', async (_, change) => {
    const asker = await createAsker()
    const desk = createDesk()
    const changes = change(desk)
    const payment = changes && { ...desk.payment, ...changes }
    const { chainId, house } = chain.settings
    const request = { chainId, house: from0x(house), settleFirst: [], order: asker.deposit }
    expect(await desk.desk.answer(request, asker.peer, payment)).toMatchObject({
      why: expect.stringMatching(/submits nothing for others/),
    })
  })

  it('behaviour: a relayer that asks no fee serves its own borrowers alone', async () => {
    const asker = await createOwner()
    const free = createDesk()
    free.payment.relayFee = 0
    const order = await asker.withdrawal({ before: { fee: 0n } })
    expect(await asker.ask(free, order)).toMatchObject({
      why: expect.stringMatching(/its own borrowers alone/),
    })
    const [id, zero] = [to0x(systemRandom(32)), relayer.address]
    const config = { payer: zero, signer: zero, payee: zero, delay: 0, flags: 0, salt: id }
    const { house, token } = chainOf(relayer)
    const base = { id, role: 'payee', peer: toHex(asker.peer), house, token, config } as const
    await free.tables.channels.put(id, createChannelRecord({ ...base, status: 'open' }))
    expect(await asker.ask(free, order)).toMatchObject({ kind: 'submitted' })
  })

  it('behaviour: a relayer without coin says so', async () => {
    const poor = privateKeyToAccount(generatePrivateKey())
    const asker = await createOwner()
    const order = await asker.withdrawal({ as: { relayer: poor.address } })
    expect(await asker.ask(createDesk({}, poor), order)).toMatchObject({
      why: expect.stringMatching(/too little native coin/),
    })
  })
})
