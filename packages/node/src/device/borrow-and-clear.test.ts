import { toHex } from '@freehold/core/bytes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LlamaModel } from '../engine/llama-engine.ts'
import {
  befriend,
  channels,
  createTown,
  DEPOSIT,
  type Inhabitant,
  MODEL,
  question,
  rawPrice,
  roundUp,
  type Town,
  termsOn,
  WEB_SOCKETS,
} from './town.fixture.ts'

type Lender = Awaited<ReturnType<Town['lender']>>

let town: Town
let lender: Lender
let borrower: Inhabitant

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender()
  borrower = await town.inhabitant()
  await befriend(borrower.device, lender.lending)
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

describe('borrowing', () => {
  it('default: borrows, pays, audits and settles, conserved to the unit', async () => {
    const accounts = [borrower.device, lender.device]
    const before = await Promise.all(accounts.map((device) => device.balances()))
    expect(before[0]!.native).toBe(0n)
    const shown: string[] = []
    const completion = await borrower.device.complete(
      question({ onText: (text) => shown.push(text) }),
    )
    expect(completion.error).toBeNull()
    expect(shown.join('')).toBe(completion.text)
    const report = await completion.settled
    expect(report?.audit.statistics.positions).toBe(completion.ids.length)
    expect(['pass', 'pending']).toContain(report?.pooled)
    const { payer, payee } = await channels(borrower.device, lender.device)
    const due = roundUp(rawPrice(completion.record!))
    expect([payer.cumulative, payee.cumulative]).toEqual([due, due])
    expect([payer.answers, payee.answers]).toEqual([{}, {}])

    const settled = await lender.device.keeper!.settle(true)
    expect(settled).toMatchObject({ vouchers: 1, amount: due, skipped: [] })
    const after = await Promise.all(accounts.map((device) => device.balances()))
    expect(after[1]!.ledger - before[1]!.ledger).toBe(due)
    expect(after[0]).toEqual(before[0])
    expect(await borrower.device.egress.verify()).toBeNull()
    expect((await lender.device.tables.lent.list()).map(([, row]) => row.end)).not.toContain(
      'running',
    )
  })

  it('behaviour: what costs more than its owner lets it is refused before anything leaves', async () => {
    const { device } = borrower
    const spent = await device.budget.spent()
    const left = (await device.egress.entries()).length
    await expect(device.complete(question({ maxPrice: 1n }))).rejects.toThrow(/you let one cost 1/)
    expect(await device.budget.spent()).toBe(spent)
    expect(await device.egress.entries()).toHaveLength(left)
    // What an answer cost is spent, and not what it might have cost.
    const { record, settled } = await device.complete(question({ maxTokens: 20 }))
    await settled
    await device.borrowing.idle()
    expect(await device.budget.spent()).toBe(spent + record!.priceUnits)
  })

  it('behaviour: over WebSockets too', async () => {
    const web = await town.lender({
      payment: null,
      device: { listen: [WEB_SOCKETS], chain: undefined },
    })
    const one = await town.inhabitant({ chain: undefined })
    await one.device.peers.ask(web.lending.addresses()[0]!)
    const completion = await one.device.complete(question({ maxTokens: 20 }))
    expect(completion).toMatchObject({ error: null, record: { payment: 'free', channelId: null } })
    await completion.settled
    await one.device.borrowing.idle()
  })

  it('behaviour: answers go on while the chain is silent; settling waits and then succeeds', async () => {
    town.chain.pause()
    try {
      const completion = await borrower.device.complete(question({ maxTokens: 20 }))
      expect(completion.error).toBeNull()
      await completion.settled
      expect((await channels(borrower.device, lender.device)).payee.answers).toEqual({})
      const settling = lender.device.keeper!.settle(true)
      await expect(settling).rejects.toMatchObject({ name: 'ChainError' })
    } finally {
      town.chain.resume()
    }
    const { payee } = await channels(borrower.device, lender.device)
    const settled = await lender.device.keeper!.settle(true)
    expect(settled?.amount).toBe(payee.cumulative - payee.settled)
  })

  it('behaviour: both devices go on from their disks', async () => {
    const { payer: before } = await channels(borrower.device, lender.device)
    const device = await borrower.restart()
    await lender.restart()
    const lending = await lender.device.lending.start({
      models: [MODEL],
      payment: termsOn(town.chain.settings),
      contextTokens: 512,
    })
    await device.peers.ask(lending.addresses()[0]!)
    const completion = await device.complete(question({ maxTokens: 20 }))
    expect(completion.error).toBeNull()
    await completion.settled
    const { payer, payee } = await channels(device, lender.device)
    expect(payer.paidRaw - before.paidRaw).toBe(rawPrice(completion.record!))
    expect(payee.cumulative).toBe(payer.cumulative)
    lender.lending = lending
  })

  it('behaviour: an engine that dies ends that answer; the next one is served', async () => {
    const model = (await lender.device.model(MODEL)) as LlamaModel
    let isKilled = false
    const completion = await borrower.device.complete(
      question({
        maxTokens: 300,
        onText: () => {
          if (!isKilled) process.kill(model.pid!, 'SIGKILL')
          isKilled = true
        },
      }),
    )
    expect(completion.parts).toMatchObject([{ end: 'engine' }, { where: 'here' }])
    await completion.settled
    const next = await borrower.device.complete(question({ maxTokens: 20 }))
    expect(next.error).toBeNull()
    await next.settled
    await borrower.device.borrowing.idle()
    const { payer, payee } = await channels(borrower.device, lender.device)
    expect([payer.answers, payee.answers]).toEqual([{}, {}])
    expect(payee.cumulative).toBe(payer.cumulative)
  })

  it('behaviour: a convicted lender is neither asked nor paid', async () => {
    const cheat = await town.lender()
    const one = await town.inhabitant()
    const { known } = await befriend(one.device, cheat.lending)
    const key = toHex(known.lender)
    const completion = await one.device.complete(question({ maxTokens: 12 }))
    // As if an audit of another answer had failed before this one is paid.
    await one.device.tables.standing.update(
      key,
      (old) => old && { ...old, refusedBecause: 'a test' },
    )
    await completion.settled
    await one.device.borrowing.idle()
    const { payer, payee } = await channels(one.device, cheat.device)
    expect(payer.cumulative).toBeLessThan(roundUp(rawPrice(completion.record!)))
    expect(payee.cumulative).toBe(payer.cumulative)
    expect(Object.values(payer.answers)).toMatchObject([{ state: 'withheld' }])
    const asked = (await cheat.device.tables.lent.list()).length
    await expect(one.device.complete(question())).rejects.toMatchObject({ reason: 'standing' })
    expect((await cheat.device.tables.lent.list()).length).toBe(asked)
    expect((await channels(one.device, cheat.device)).payee.cumulative).toBe(payer.cumulative)
    expect(payer.deposit).toBe(DEPOSIT)
  })
})
