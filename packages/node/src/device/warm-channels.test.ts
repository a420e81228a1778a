import { NEW_STANDING } from '@freehold/core/audit/standing'
import { toHex } from '@freehold/core/bytes'
import type { CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { WarmLimits } from '@freehold/core/device/warm-channels'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { warmLimitsOf } from '../config.ts'
import { accountOf, createTown, question, type Town, toyEngine } from './town.fixture.ts'

let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
let other: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender({ device: { engine: toyEngine() } })
  other = await town.lender({ device: { engine: toyEngine() } })
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const LIMITS: WarmLimits = { total: 10_000n, perLender: 4_000n, channels: 8, lenders: [] }
const addressOf = ({ lending }: typeof lender) => lending.addresses()[0] ?? ''

async function newcomer(warm: WarmLimits | null, changes: object = {}) {
  const self = await town.inhabitant({ engine: toyEngine(), warm, ...changes })
  await self.device.peers.ask(addressOf(lender))
  return self
}

async function borrow(device: Device, changes: Partial<CompletionInit> = {}) {
  const completion = await device.complete(question(changes))
  expect(completion.error).toBeNull()
  await completion.settled
  await device.borrowing.idle()
}

const payers = async (device: Device) =>
  (await device.tables.channels.list()).map(([, row]) => row).filter((row) => row.role === 'payer')

describe('warm channels', () => {
  it('default: the first answer opens one within the limits, and the next finds it', async () => {
    const { device } = await newcomer(LIMITS)
    const opened: bigint[] = []
    const onOpening: CompletionInit['onOpening'] = ({ record }) => opened.push(record.deposit)
    await borrow(device, { onOpening })
    await borrow(device, { onOpening })
    expect(opened).toEqual([4_000n])
    expect(await payers(device)).toMatchObject([{ status: 'open', deposit: 4_000n }])
  })

  it('behaviour: row “max_deposit used as default deposit”: what may wait in all is never one deposit', async () => {
    const { device } = await newcomer({ ...LIMITS, total: 1_000_000n })
    await borrow(device)
    expect(await payers(device)).toMatchObject([{ deposit: LIMITS.perLender }])
    // Nor where the settings say nothing of one lender.
    const said = { total: 1_000n, perLender: 250n, channels: 8, lenders: [] }
    expect(warmLimitsOf({ warm: { total: 1_000 } })).toEqual(said)
  })

  it('behaviour: without limits none is opened, and the error says how to set them', async () => {
    const { device } = await newcomer(null)
    await expect(device.complete(question())).rejects.toThrow(
      /wallet open ADDRESS AMOUNT.*wallet limits --warm-total/,
    )
    expect(await device.warm.tend()).toEqual([])
    expect(await payers(device)).toEqual([])
  })

  it('behaviour: what costs more than it may opens no channel', async () => {
    const { device } = await newcomer(LIMITS)
    await expect(device.complete(question({ maxPrice: 1n }))).rejects.toThrow(/you let one cost 1/)
    expect(await payers(device)).toEqual([])
  })

  it('behaviour: lenders that the owner names get one at once, until the limits are reached', async () => {
    const named = [addressOf(lender), addressOf(other)]
    const { device } = await newcomer({ ...LIMITS, total: 5_000n, lenders: named })
    const opened = await device.warm.tend()
    expect(opened.map(({ record }) => record.deposit)).toEqual([4_000n, 1_000n])
    expect(await device.warm.tend()).toEqual([])
    const few = await newcomer({ ...LIMITS, channels: 1, lenders: named })
    expect(await few.device.warm.tend()).toHaveLength(1)
    const little = await newcomer({ ...LIMITS, total: 100n, lenders: named })
    expect(await little.device.warm.tend()).toEqual([])
  })

  it('behaviour: what is spent is put in again, after answers and not before them', async () => {
    const warm = { ...LIMITS, perLender: 600n }
    const { device } = await town.inhabitant({ engine: toyEngine(), warm })
    await device.peers.ask(addressOf(lender))
    for (let i = 0; i < 8; i++) await borrow(device)
    const [first] = await payers(device)
    expect(first?.cumulative).toBeGreaterThan(300n)
    expect(await device.warm.tend()).toMatchObject([{ record: { id: first?.id } }])
    expect(await payers(device)).toMatchObject([{ deposit: 600n + first!.cumulative }])
    expect(await device.warm.tend()).toEqual([])
  })

  it('behaviour: two processes of one device open one between them', async () => {
    const { device, home, phrase } = await newcomer(LIMITS)
    const second = await town.inhabitant({ engine: toyEngine(), warm: LIMITS, home, phrase })
    const both = [device, second.device]
    const known = await device.peers.ask(addressOf(lender))
    const opened = await Promise.all(both.map((one) => one.warm.open(known)))
    expect(opened.filter((one) => one !== null)).toHaveLength(1)
    expect(await payers(device)).toHaveLength(1)
  })

  it('behaviour: one that a dead process asked for counts, and is not asked for again at once', async () => {
    const { device } = await newcomer({ ...LIMITS, total: 4_500n })
    const asked = { [toHex(lender.device.identity!.device)]: { amount: 4_000n, atMs: Date.now() } }
    await device.tables.warm.put('openings', { turn: null, asked })
    const known = await device.peers.ask(addressOf(lender))
    expect(await device.warm.open(known)).toBeNull()
    // What is left for others is what that one leaves.
    const opened = await device.warm.open(await device.peers.ask(addressOf(other)))
    expect(opened?.record.deposit).toBe(500n)
    const later = { ...asked }
    for (const one of Object.values(later)) one.atMs -= 61_000
    await device.tables.warm.put('openings', { turn: null, asked: later })
    expect((await device.warm.open(known))?.record.deposit).toBe(4_000n)
  })

  it('behaviour: a turn whose process died is taken over', async () => {
    const { device } = await newcomer(LIMITS)
    const turn = { token: 'dead', untilMs: Date.now() + 300 }
    await device.tables.warm.put('openings', { turn, asked: {} })
    const known = await device.peers.ask(addressOf(lender))
    expect(await device.warm.open(known)).not.toBeNull()
    expect(Date.now()).toBeGreaterThanOrEqual(turn.untilMs)
  })

  it('behaviour: a convicted lender gets none, and its channel is left', async () => {
    const { device } = await newcomer(LIMITS)
    await borrow(device)
    const peer = toHex(lender.device.identity!.device)
    await device.tables.standing.put(peer, { ...NEW_STANDING, refusedBecause: 'it cheated' })
    await town.chain.fund(accountOf(device), '1')
    expect(await device.warm.tend()).toEqual([])
    expect(await payers(device)).toMatchObject([{ status: 'exiting', isLeaving: true }])
    expect(await device.warm.mayOpen(await device.peers.ask(addressOf(lender)))).toBe(false)
  })
})

describe('a channel that was to be left', () => {
  it('default: pays again once its owner adds to it, where no exit came to the chain', async () => {
    const { device } = await newcomer(null)
    const known = await device.peers.ask(addressOf(lender))
    const { record } = await device.channels.open(known, 1_000n)
    // As a crash between the note and the exit leaves it.
    await device.tables.channels.put(record.id, { ...record, isLeaving: true })
    expect(await device.channels.payable(known)).toBeNull()
    await device.wallet.topUp({ channel: record.id, amount: 500n })
    expect(await device.channels.payable(known)).toMatchObject({ deposit: 1_500n })
    await borrow(device)
  })
})

describe('ceilings that nobody set', () => {
  it('default: nothing is borrowed for money until somebody says what it may cost', async () => {
    const { device } = await newcomer(LIMITS, { ceilings: null })
    const refused = /nobody has said.*freehold wallet limits.*x-freehold-max-price/
    await expect(device.complete(question())).rejects.toThrow(refused)
    expect(await payers(device)).toEqual([])
    await borrow(device, { maxPrice: 1_000n })
    const quotes: bigint[] = []
    const agree: CompletionInit['agree'] = async ({ atMost }) => {
      quotes.push(atMost)
      return { perRequest: atMost, perDay: null }
    }
    await borrow(device, { agree })
    await borrow(device, { agree })
    expect(quotes).toHaveLength(1)
    await expect(device.complete(question({ agree, maxTokens: 200 }))).rejects.toThrow(/you let/)
  })

  it('behaviour: a lender that takes no money needs none', async () => {
    const free = await town.lender({ payment: null, device: { engine: toyEngine() } })
    const { device } = await town.inhabitant({ engine: toyEngine(), ceilings: null })
    await device.peers.ask(addressOf(free))
    await borrow(device)
  })
})
