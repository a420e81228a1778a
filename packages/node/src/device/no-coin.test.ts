import { toHex } from '@freehold/core/bytes'
import type { Device } from '@freehold/core/device/device'
import type { RelayQuote } from '@freehold/core/device/relaying'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  accountOf,
  channels,
  createTown,
  type Inhabitant,
  MODEL,
  question,
  TCP,
  type Town,
  termsOn,
  toyEngine,
} from './town.fixture.ts'

const FEE = 20_000n
/** 50,000 token units for each token of an answer. */
const DEAR = { prompt: 0, cached: 0, output: 50_000_000_000 }

let town: Town
/** With native coin: it lends and submits what others sign. */
let bank: Awaited<ReturnType<Town['lender']>>
let other: Awaited<ReturnType<Town['lender']>>
/** Five whole tokens each, and not a wei. */
let ann: Inhabitant
let bob: Inhabitant

beforeAll(async () => {
  town = await createTown()
  const payment = termsOn(town.chain.settings, { relayFee: Number(FEE) })
  const device = { engine: toyEngine() }
  bank = await town.lender({ payment, device })
  other = await town.lender({ payment: { ...payment, relayFee: 30_000 }, device })
  ann = await town.inhabitant({ ...device, listen: [TCP] })
  bob = await town.inhabitant(device)
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const fresh = privateKeyToAccount(generatePrivateKey()).address

/** No wei was had, no token came or went, and the contract holds what it owes. */
async function expectConserved(): Promise<void> {
  const devices = [bank, other, ann, bob].map(({ device }) => device)
  for (const { device } of [ann, bob]) expect((await device.balances()).native).toBe(0n)
  const all = await Promise.all(devices.map((device) => device.balances()))
  const wallets = all.reduce((sum, { wallet }) => sum + wallet, 0n)
  const ledgers = all.reduce((sum, { ledger }) => sum + ledger, 0n)
  const elsewhere = (await town.look.balances(fresh)).wallet
  const held = (await town.look.balances(town.chain.settings.house)).wallet
  expect(wallets + elsewhere + held).toBe(4n * 5_000_000n)
  const rows = await Promise.all(devices.map((device) => device.tables.channels.list()))
  const ids = new Set(rows.flat().map(([, { id }]) => id))
  let inChannels = 0n
  for (const id of ids) {
    const { deposit, settled, status } = await town.look.channel(id)
    if (status === 'open') inChannels += deposit - settled
  }
  expect(ledgers + inChannels).toBe(held)
}

async function borrow(from: Device, lender: Device) {
  const completion = await from.complete(
    question({ lender: toHex(lender.identity!.device), maxTokens: 40 }),
  )
  expect(completion.error).toBeNull()
  await completion.settled
  await from.borrowing.idle()
  return channels(from, lender)
}

const ledgerOf = async ({ device }: Inhabitant) => (await device.balances()).ledger

describe('a device with five tokens and no coin', () => {
  it('default: opens, borrows, earns, opens from earnings, tops up, leaves and withdraws', async () => {
    const quotes: RelayQuote[] = []
    const agree = (quote: RelayQuote) => quotes.push(quote) > 0
    const bankKnown = await ann.device.peers.ask(bank.lending.addresses()[0]!)

    // Opens out of its wallet, submitted by the lender, which is owed the fee.
    const opened = await ann.device.channels.open(bankKnown, 1_000_000n, { agree })
    expect(opened).toMatchObject({ fee: FEE, record: { deposit: 1_000_000n, relayFee: FEE } })
    await expectConserved()
    const { payer } = await borrow(ann.device, bank.device)
    expect(payer.cumulative).toBeGreaterThan(FEE)

    // Somebody else without coin funds a channel to it, by way of the ledger, and borrows.
    const lending = await ann.device.lending.start({
      models: [MODEL],
      contextTokens: 512,
      payment: termsOn(town.chain.settings, { prices: DEAR, relaysOpening: false }),
    })
    await bob.device.peers.ask(bank.lending.addresses()[0]!)
    const before = await ledgerOf(bank)
    const funded = await bob.device.wallet.deposit({ amount: 3_500_000n })
    expect(funded).toMatchObject({ kind: 'depositFromWallet', fee: FEE })
    expect(funded.transaction).toMatch(/^0x/)
    expect(await ledgerOf(bob)).toBe(3_500_000n - FEE)
    expect((await ledgerOf(bank)) - before).toBe(FEE)
    const annKnown = await bob.device.peers.ask(lending.addresses()[0]!)
    const toAnn = await bob.device.channels.open(annKnown, 3_000_000n)
    expect(toAnn).toMatchObject({ fee: FEE, record: { relayFee: 0n, status: 'open' } })
    expect((await ledgerOf(bank)) - before).toBe(2n * FEE)
    await expectConserved()
    const earned = (await borrow(bob.device, ann.device)).payee.cumulative
    expect(earned).toBeGreaterThan(500_000n)

    // Opens another channel from what it earned: that is settled first, by the same relayer.
    await ann.device.wallet.withdraw({ to: accountOf(ann.device), amount: 1_000n, agree })
    expect(quotes.at(-1)).toMatchObject({ kind: 'withdraw', fee: 2n * FEE })
    const left = earned - 1_000n - 2n * FEE
    expect(await ledgerOf(ann)).toBe(left)
    const otherKnown = await ann.device.peers.ask(other.lending.addresses()[0]!)
    const second = await ann.device.channels.open(otherKnown, 400_000n, { agree })
    expect(second).toMatchObject({ fee: FEE, record: { deposit: 400_000n, relayFee: 0n } })
    expect(await ledgerOf(ann)).toBe(left - 400_000n - FEE)
    await expectConserved()
    await borrow(ann.device, other.device)

    // Tops it up from the ledger.
    const { id } = second.record
    const more = await ann.device.wallet.topUp({ channel: id, amount: 30_000n, agree })
    expect(more).toMatchObject({ kind: 'topUpFromLedger', fee: FEE })
    expect((await ann.device.tables.channels.get(id))?.deposit).toBe(430_000n)
    expect((await other.device.tables.channels.get(id))?.deposit).toBe(400_000n)

    // And the first one out of the wallet: its payee submits that, and is owed the fee.
    const wallet = (await ann.device.balances()).wallet
    const ledger = await ledgerOf(ann)
    const big = ledger + 200_000n
    const added = await ann.device.wallet.topUp({ channel: opened.record.id, amount: big, agree })
    expect(added).toMatchObject({ kind: 'topUpFromWallet', fee: FEE })
    expect((await ann.device.balances()).wallet).toBe(wallet - big)
    const both = await channels(ann.device, bank.device)
    expect([both.payer.relayFee, both.payee.relayFee]).toEqual([2n * FEE, 2n * FEE])
    expect(both.payee.deposit).toBe(1_000_000n + big)
    await borrow(ann.device, bank.device)
    await expectConserved()

    // Asks for the exit, for free; what it owes is settled meanwhile; anybody ends it.
    const asked = await ann.device.channels.leave(opened.record.id, { agree })
    expect(asked).toMatchObject({ kind: 'requestClose', fee: 0n })
    await bank.device.keeper!.refresh()
    expect(await bank.device.keeper!.settle()).toMatchObject({ cause: 'exit-requested' })
    await expect(ann.device.channels.leave(opened.record.id)).rejects.toThrow(/ExitNotReady/)
    await town.chain.advance(172_801)
    const ended = await ann.device.channels.leave(opened.record.id, { agree })
    expect(ended).toMatchObject({ kind: 'finalizeClose', fee: 0n })
    expect((await ann.device.tables.channels.get(opened.record.id))?.status).toBe('closed')
    await expectConserved()

    // Takes everything to an account that nobody has seen.
    const all = await ledgerOf(ann)
    const away = await ann.device.wallet.withdraw({ to: fresh, amount: 'all', agree })
    expect(away).toMatchObject({ kind: 'withdraw', fee: FEE })
    expect((await town.look.balances(fresh)).wallet).toBe(all - FEE)
    expect(await ledgerOf(ann)).toBe(0n)
    await expectConserved()

    // Every fee was shown before, and stands in both books.
    expect(quotes.every(({ isRaised }) => !isRaised)).toBe(true)
    const paid = await ann.device.wallet.relayFees()
    const shown = quotes.reduce((sum, { fee }) => sum + fee, 0n)
    expect(paid).toEqual({ paid: shown, earned: 0n })
    const [one, two] = [await bank.device.wallet.relayFees(), await other.device.wallet.relayFees()]
    expect(one.earned + two.earned).toBe(shown + (await bob.device.wallet.relayFees()).paid)
    const relayed = (await bank.device.tables.relayed.list()).map(([, row]) => row)
    expect(relayed.every(({ feeWei, gasUsed }) => feeWei > 0n && gasUsed > 30_000n)).toBe(true)
  })

  it('behaviour: an opening from the ledger that stopped half-way is gone on with, and paid once', async () => {
    const { device } = await town.inhabitant({ engine: toyEngine() })
    const known = await device.peers.ask(bank.lending.addresses()[0]!)
    await device.wallet.deposit({ amount: 800_000n })
    const identity = device.identity!
    const config = {
      ...{ payer: accountOf(device), signer: identity.voucherSigner.address },
      ...{ payee: accountOf(bank.device), delay: 172_800, flags: 1 },
      salt: identity.channelSalt(0),
    }
    // As far as a process came that died before anybody heard of the channel.
    expect(await device.wallet.open(config, 400_000n)).toMatchObject({ fee: FEE })
    const left = (await device.balances()).ledger
    const { record, transaction } = await device.channels.open(known, 400_000n)
    expect(transaction).toBeNull()
    expect(record).toMatchObject({ deposit: 400_000n, status: 'open', relayFee: 0n })
    expect((await device.balances()).ledger).toBe(left)
  })

  it('behaviour: without anybody who relays orders, the wallet opens and the lender submits', async () => {
    const { device } = await town.inhabitant({ engine: toyEngine() })
    const known = await device.peers.ask(bank.lending.addresses()[0]!)
    await device.wallet.deposit({ amount: 800_000n })
    // Six within ten minutes are one too many: the order is refused, and the id still opens once.
    const to = accountOf(device)
    for (let i = 0; i < 5; i++) await device.wallet.withdraw({ to, amount: 1n })
    const { record, fee } = await device.channels.open(known, 400_000n)
    expect(record).toMatchObject({ deposit: 400_000n, relayFee: FEE, status: 'open' })
    expect(fee).toBe(FEE)
    expect((await device.balances()).ledger).toBe(800_000n - 6n * FEE - 5n)
  })
})
