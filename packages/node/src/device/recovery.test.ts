import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { to0x } from '@freehold/core/bytes'
import { openAnswerPayer } from '@freehold/core/clearing/payer'
import { signVoucher } from '@freehold/core/clearing/voucher'
import type { Device } from '@freehold/core/device/device'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  befriend,
  channels,
  createTown,
  DEPOSIT,
  type Inhabitant,
  MODEL,
  question,
  TCP,
  type Town,
  termsOn,
  toyEngine,
} from './town.fixture.ts'

let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
const folder = await mkdtemp(join(tmpdir(), 'freehold-recovery-'))

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender({ device: { engine: toyEngine() } })
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function borrow(device: Device) {
  const { error, settled } = await device.complete(question())
  expect(error).toBeNull()
  await settled
  await device.borrowing.idle()
}

/** A borrower whose first answer is settled and whose second one is not. */
async function customer() {
  const { device, phrase } = await town.inhabitant({ engine: toyEngine() })
  const { channel } = await befriend(device, lender.lending)
  await borrow(device)
  await lender.device.keeper?.settle(true)
  await borrow(device)
  const { payer, payee } = await channels(device, lender.device)
  expect(payer.cumulative).toBeGreaterThan(payee.settled)
  await device[Symbol.asyncDispose]()
  return { phrase, id: channel.id, before: payer, settled: payee.settled }
}

/** The same owner with an empty disk. */
const newHome = (phrase: string) => town.inhabitant({ engine: toyEngine(), phrase })
const ask = ({ device }: Inhabitant) => device.peers.ask(lender.lending.addresses()[0] ?? '')
const rowOf = async ({ device }: Inhabitant, id: string) => device.tables.channels.get(id)

describe('recovery of a payer by phrase and chain', () => {
  it('default: no deposit is forgotten, and no channel is used at an unknown amount', async () => {
    const { phrase, id, settled, before } = await customer()
    const home = await newHome(phrase)
    const { channels: found } = await home.device.recover()
    expect(found).toEqual([
      {
        ...{ id, role: 'payer', status: 'open', deposit: DEPOSIT, settled },
        ...{ exitDueAtMs: null, isUnknown: true, isNew: true },
      },
    ])
    expect((await home.device.recover()).channels[0]).toMatchObject({ id, isNew: false })
    const known = await ask(home)
    expect(await home.device.channels.payable(known)).toBeNull()
    const { voucherSigner } = home.device.identity!
    const answer = { reqId: new Uint8Array(16), promptTokens: 1, maxTokens: 1, startedAtMs: 0 }
    const { prices } = known.offer.payment!
    await expect(
      openAnswerPayer(home.device.tables.channels, voucherSigner, id, { ...answer, prices }),
    ).rejects.toThrow(/pays nothing/)

    expect(await home.device.channels.reclaim(known)).toEqual([id])
    const { cumulative } = before
    expect(await rowOf(home, id)).toMatchObject({ cumulative, isRecovered: false })
    expect(await home.device.channels.reclaim(known)).toEqual([])
    await borrow(home.device)
    const { payer, payee } = await channels(home.device, lender.device)
    expect(payer.cumulative).toBeGreaterThan(cumulative)
    expect(payee.cumulative).toBe(payer.cumulative)
    expect(await lender.device.keeper?.settle(true)).toMatchObject({ skipped: [] })
  })

  it('behaviour: row “unsigned corrective watermark”: what a payee says counts only with this device’s own signature', async () => {
    const { phrase, id } = await customer()
    const home = await newHome(phrase)
    await home.device.recover()
    const known = await ask(home)
    const { tables } = lender.device
    const { house, signature } = (await tables.channels.get(id))!
    const stranger = await deriveIdentity(lender.phrase, 1)
    const forged = to0x(await signVoucher(stranger.voucherSigner, { id, house }, 900_000n))
    await tables.channels.update(
      id,
      (old) => old && { ...old, cumulative: 900_000n, signature: forged },
    )
    await expect(home.device.channels.reclaim(known)).rejects.toThrow(/signed it/)
    expect(await rowOf(home, id)).toMatchObject({ isRecovered: true })
    // A payee that lost its disk too has nothing to show.
    await tables.channels.update(id, (old) => old && { ...old, signature: null })
    expect(await home.device.channels.reclaim(known)).toEqual([])
    // An older voucher than was settled already is no answer.
    const low = to0x(await signVoucher(home.device.identity!.voucherSigner, { id, house }, 1n))
    await tables.channels.update(id, (old) => old && { ...old, cumulative: 1n, signature: low })
    expect(await home.device.channels.reclaim(known)).toEqual([])
    expect(await rowOf(home, id)).toMatchObject({ isRecovered: true })
    await tables.channels.update(id, (old) => old && { ...old, cumulative: 0n, signature })
  })
})

describe('recovery of a payee', () => {
  it('default: finds who pays it, and settles nothing that it cannot show', async () => {
    const { id, settled } = await customer()
    const home = await newHome(lender.phrase)
    const found = (await home.device.recover()).channels.find((one) => one.id === id)
    expect(found).toMatchObject({ role: 'payee', deposit: DEPOSIT, settled, isUnknown: true })
    expect(await home.device.keeper?.settle(true)).toBeNull()
  })
})

describe('a lender that lost its disk', () => {
  it('default: its borrower shows it the channel, and the next voucher pays for what was lost', async () => {
    const lost = await town.lender({ device: { engine: toyEngine() } })
    const { device } = await town.inhabitant({ engine: toyEngine() })
    await befriend(device, lost.lending)
    await borrow(device)
    const { payer: before } = await channels(device, lost.device)
    await lost.device[Symbol.asyncDispose]()

    const { phrase } = lost
    const home = await town.inhabitant({ engine: toyEngine(), phrase, listen: [TCP] })
    await home.device.recover()
    const payment = termsOn(town.chain.settings)
    const lending = await home.device.lending.start({
      models: [MODEL],
      payment,
      contextTokens: 512,
    })
    await device.peers.ask(lending.addresses()[0] ?? '')
    await borrow(device)
    const { payer, payee } = await channels(device, home.device)
    expect(payee).toMatchObject({ isRecovered: false, cumulative: payer.cumulative })
    expect(payer.cumulative).toBeGreaterThan(before.cumulative)
    const settled = await home.device.keeper?.settle(true)
    expect(settled).toMatchObject({ amount: payer.cumulative, skipped: [] })
  })
})

describe('freehold wallet recover', () => {
  const env = (name: string) => ({
    ...process.env,
    FREEHOLD_HOME: join(folder, name),
    FREEHOLD_PASSPHRASE: 'correct horse',
    NODE_NO_WARNINGS: '1',
  })
  const main = join(import.meta.dirname, '..', 'cli', 'main.ts')
  const freehold = (name: string, args: string[], input = '') => {
    const child = spawn(process.execPath, [main, ...args], { env: env(name) })
    child.stdin.end(input)
    return child
  }

  it('default: says in JSON and in words what it found and what it cannot know', async () => {
    const { phrase, id } = await customer()
    const { rpc, chainId, house, token } = town.chain.settings
    const chain = ['--chain', [rpc, chainId, house, token].join(',')]
    const init = freehold('new', ['wallet', 'init', '--restore', '--json'], phrase)
    await json(init.stdout)
    const first = freehold('new', ['wallet', 'recover', '--json', ...chain])
    const [found, why] = await Promise.all([text(first.stdout), text(first.stderr)])
    expect(found, why).not.toBe('')
    expect(JSON.parse(found)).toMatchObject({
      channels: [{ id, role: 'payer', status: 'open', isUnknown: true, isNew: false }],
      reclaimed: [],
    })
    const address = lender.lending.addresses()[0] ?? ''
    const second = freehold('new', ['wallet', 'recover', '/ip4/127.0.0.1/tcp/1', ...chain])
    const [shown, said] = await Promise.all([text(second.stdout), text(second.stderr)])
    expect(shown).toContain(id.slice(0, 12))
    expect(shown).toContain('unknown')
    expect(said).toMatch(/was not asked/)
    expect(said).toMatch(/stay unused until/)
    const third = freehold('new', ['wallet', 'recover', address, '--json', ...chain])
    expect(await json(third.stdout)).toMatchObject({ reclaimed: [id] })
  })
})

// Last: it moves the chain's clock far ahead.
describe('leaving what was recovered', () => {
  it('behaviour: a channel that nobody tells about is left, and a new one has its own salt', async () => {
    const { phrase, id, settled } = await customer()
    const home = await newHome(phrase)
    await home.device.recover()
    const known = await ask(home)
    // It is no opening that stopped half-way: another one, relayed or refused, has its own salt.
    await home.device.channels.open(known, DEPOSIT).catch(() => {})
    const rows = (await home.device.tables.channels.list()).map(([, row]) => row)
    expect(new Set(rows.map(({ config }) => config.salt)).size).toBe(2)
    expect(await rowOf(home, id)).toMatchObject({ isRecovered: true })
    const account = home.device.identity!.wallet.address
    await town.chain.fund(account, '1')
    expect(await home.device.channels.leave(id)).toMatchObject({ status: 'exiting' })
    const exiting = (await home.device.recover()).channels.find((one) => one.id === id)
    expect(exiting?.exitDueAtMs).toBeGreaterThan(Date.now())
    await town.chain.advance(172_801)
    const before = await home.device.balances()
    expect(await home.device.channels.leave(id)).toMatchObject({ status: 'closed' })
    const after = await home.device.balances()
    expect(after.ledger - before.ledger).toBe(DEPOSIT - settled)
    const again = await newHome(phrase)
    const closed = (await again.device.recover()).channels.find((one) => one.id === id)
    expect(closed).toMatchObject({ status: 'closed', isUnknown: false })
  })
})
