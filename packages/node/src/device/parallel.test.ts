import type { AnswerMeter } from '@freehold/core/clearing/channel'
import type { Completion, CompletionInit } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { LentRecord } from '@freehold/core/device/records'
import { promptIdsOf } from '@freehold/core/device/text'
import type { Engine, TopLogits } from '@freehold/core/engine/engine'
import { EngineError } from '@freehold/core/errors'
import { checkEvidence } from '@freehold/core/lending/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Meddler, meddlingEngine, ownChoice } from '../demo/cheats.ts'
import { seededDice } from '../demo/dice.ts'
import { createLlamaEngine } from '../engine/llama-engine.ts'
import {
  befriend,
  channels,
  createTown,
  MODEL,
  question,
  rawPrice,
  roundUp,
  type Town,
  termsOn,
  toyEngine,
} from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const EIGHT = [10, 47, 24, 31, 18, 40, 13, 36]
const toy = () => ({ engine: toyEngine() })

/** Borrows one answer for each of `lengths`, all at once. */
const borrowAll = (device: Device, lengths: readonly number[] = EIGHT, lender?: string) =>
  Promise.all(lengths.map((maxTokens) => device.complete(question({ maxTokens, lender }))))

/** Every answer is whole, proven by its lender's signatures, and replayed without a fault. */
async function expectWhole(all: readonly Completion[]): Promise<void> {
  for (const { error, finish, ids, record, settled } of all) {
    expect(error).toBeNull()
    expect(['length', 'eos']).toContain(finish)
    expect(record).toMatchObject({ end: 'receipt', tokens: ids.length })
    expect(await checkEvidence(record!.evidence!)).toBeNull()
    const report = await settled
    expect(report?.audit.statistics).toMatchObject({ positions: ids.length, out: 0 })
    expect(['pass', 'pending']).toContain(report?.pooled)
  }
}

const rawOf = (all: readonly Completion[]) =>
  all.reduce((sum, { record }) => sum + rawPrice(record!), 0n)

/** Both sides say that `raw` is paid on their channel and nothing is open, and so says the chain. */
async function expectCleared(borrower: Device, lender: Device, raw: bigint): Promise<void> {
  await borrower.borrowing.idle()
  const { payer, payee } = await channels(borrower, lender)
  expect([payer.answers, payee.answers]).toEqual([{}, {}])
  expect([payer.paidRaw, payee.paidRaw]).toEqual([raw, raw])
  expect([payer.cumulative, payee.cumulative]).toEqual([roundUp(raw), roundUp(raw)])
  await lender.keeper!.settle(true)
  expect((await channels(borrower, lender)).payee.settled).toBe(roundUp(raw))
}

describe('answers at once', () => {
  it('default: eight between two devices, over one channel, where four have a place', async () => {
    const lender = await town.lender()
    const { device } = await town.inhabitant()
    await befriend(device, lender.lending)
    const before = await lender.device.balances()
    const all = await borrowAll(device)
    await expectWhole(all)
    await expectCleared(device, lender.device, rawOf(all))
    const after = await lender.device.balances()
    expect(after.ledger - before.ledger).toBe(roundUp(rawOf(all)))
    expect(await device.egress.entries()).toHaveLength(EIGHT.length)
    expect(await device.egress.verify()).toBeNull()
  })

  it('behaviour: four borrowers of one lender pay each for its own', async () => {
    const lender = await town.lender({ device: toy() })
    const four = await Promise.all([0, 1, 2, 3].map(() => town.inhabitant(toy())))
    for (const { device } of four) await befriend(device, lender.lending)
    const before = await lender.device.balances()
    const all = await Promise.all(four.map(({ device }) => borrowAll(device, EIGHT.slice(0, 4))))
    let sum = 0n
    for (const [i, { device }] of four.entries()) {
      await expectWhole(all[i]!)
      const raw = rawOf(all[i]!)
      await expectCleared(device, lender.device, raw)
      sum += roundUp(raw)
    }
    expect((await lender.device.balances()).ledger - before.ledger).toBe(sum)
    expect(await lender.device.tables.lent.list()).toHaveLength(16)
  })

  it('behaviour: two that borrow from each other at once owe each other what they say', async () => {
    const two = await Promise.all([town.lender({ device: toy() }), town.lender({ device: toy() })])
    const [one, other] = two
    await befriend(one.device, other.lending)
    await befriend(other.device, one.lending)
    const [there, back] = await Promise.all([
      borrowAll(one.device, [33, 12, 45, 21]),
      borrowAll(other.device, [14, 38, 27, 41]),
    ])
    await expectWhole([...there, ...back])
    await expectCleared(one.device, other.device, rawOf(there))
    await expectCleared(other.device, one.device, rawOf(back))
  })

  it('behaviour: far more than a lender has places for wait in the borrower’s own line', async () => {
    const lender = await town.lender({ parallel: 2, maxQueue: 2, device: toy() })
    const { device } = await town.inhabitant(toy())
    await befriend(device, lender.lending)
    const all = await borrowAll(device, Array(24).fill(9))
    await expectWhole(all)
    await expectCleared(device, lender.device, rawOf(all))
  })

  it('behaviour: audits that take too long leave every hold-back paid in time', async () => {
    const paidInTime: boolean[] = []
    const lender = await town.lender({
      payment: termsOn(town.chain.settings, { holdBackMs: 3_000 }),
      device: toy(),
      onAnswer: ({ isUnpaid }) => paidInTime.push(!isUnpaid),
    })
    const never = Promise.withResolvers<never>()
    // A borrower only audits, and its engine never gets there.
    const { device } = await town.inhabitant({
      engine: toyEngine({ beforeStep: () => never.promise }),
    })
    await befriend(device, lender.lending)
    const all = await borrowAll(device)
    for (const { error } of all) expect(error).toBeNull()
    await expectCleared(device, lender.device, rawOf(all))
    expect(paidInTime).toEqual(EIGHT.map(() => true))
  })
})

describe('one of eight', () => {
  /**
   * A lender of which one answer goes its own way, and a borrower that has it lend that one beside
   * seven others. @param init.meddle gets each position of the odd answer, from 0
   */
  async function eight(init: {
    meddle: (t: number, top: TopLogits) => TopLogits | Promise<TopLogits>
    engine?: () => Engine
    odd?: Partial<CompletionInit>
  }) {
    const { meddle, engine = toyEngine, odd: changes } = init
    const oddEnded = Promise.withResolvers<LentRecord>()
    let oddPrompt = ''
    const begin = (ids: readonly number[]): Meddler => {
      let t = 0
      return ids.join() === oddPrompt ? (top) => meddle(t++, top) : (top) => top
    }
    const lender = await town.lender({
      device: { engine: meddlingEngine(engine(), begin) },
      onAnswer: (answer) => {
        if (answer.promptTokens === oddPrompt.split(',').length) oddEnded.resolve(answer)
      },
    })
    const { device } = await town.inhabitant({ engine: engine(), deadlines: PATIENT })
    await befriend(device, lender.lending)
    const messages = [{ role: 'user' as const, content: 'Tell a long story about a fox.' }]
    oddPrompt = (await promptIdsOf(await device.model(MODEL), messages)).join()
    const odd = device.complete(question({ messages, maxTokens: 120, ...changes }))
    const others = borrowAll(device, EIGHT.slice(1))
    return { lender, device, odd, others, untilOddEnded: () => oddEnded.promise }
  }
  const PATIENT = { stallMs: 60_000, firstTokenMs: 60_000 }

  /** Both sides have paid `raw` and say `open` of the odd answer, whose tail nothing else releases. */
  async function expectOpen(
    { device, lender }: { device: Device; lender: { device: Device } },
    raw: bigint,
    open: Partial<AnswerMeter>,
  ): Promise<void> {
    const { payer, payee } = await channels(device, lender.device)
    for (const side of [payer, payee]) {
      const [meter, ...more] = Object.values(side.answers)
      expect(meter).toMatchObject(open)
      expect(more).toEqual([])
      const paid = { promptTokens: meter!.promptTokens, tokens: meter!.paidTokens }
      expect(side.cumulative).toBe(roundUp(raw + rawPrice(paid)))
    }
    await lender.device.keeper!.settle(true)
    expect((await channels(device, lender.device)).payee.settled).toBe(payee.cumulative)
  }

  it('default: cheated, it keeps its own tail unpaid and no other’s', async () => {
    const honestAreSettled = Promise.withResolvers<void>()
    const dice = seededDice('a test')
    const all = await eight({
      engine: () => createLlamaEngine(),
      meddle: async (t, top) => {
        if (t === 100) await honestAreSettled.promise
        return ownChoice(top, dice)
      },
    })
    const others = await all.others
    await expectWhole(others)
    honestAreSettled.resolve()
    const odd = await all.odd
    expect(await odd.settled).toMatchObject({ audit: { verdict: 'fail' }, pooled: 'fail' })
    expect(odd.record?.tokens).toBe(odd.ids.length)
    expect(await all.untilOddEnded()).toMatchObject({ verdict: 'fail', isUnpaid: true })
    await all.device.borrowing.idle()
    await expectOpen(all, rawOf(others), { state: 'withheld', signedTokens: odd.ids.length })
    const { payee } = await channels(all.device, all.lender.device)
    const [meter] = Object.values(payee.answers)
    expect(meter!.signedTokens - meter!.paidTokens).toBeGreaterThan(0)
    const rows = await all.device.tables.answers.list()
    expect(rows.filter(([, { payment }]) => payment === 'withheld')).toHaveLength(1)
  })

  it('behaviour: cancelled, it costs what is signed, and the others go on', async () => {
    const stop = new AbortController()
    const never = Promise.withResolvers<never>()
    const all = await eight({
      meddle: (t, top) => (t < 30 ? top : never.promise),
      odd: { signal: stop.signal },
    })
    const others = await all.others
    await expectWhole(others)
    stop.abort()
    const odd = await all.odd
    expect(odd).toMatchObject({ error: { reason: 'cancelled' }, finish: 'abort' })
    expect(odd.record?.tokens).toBe(30)
    await odd.settled
    await expectCleared(all.device, all.lender.device, rawOf([...others, odd]))
  })

  it('behaviour: cut by the lender’s engine, it costs what is signed, and the others go on', async () => {
    const all = await eight({
      meddle: (t, top) => {
        if (t < 30) return top
        throw new EngineError({ what: 'a test' })
      },
    })
    const [odd, others] = await Promise.all([all.odd, all.others])
    await expectWhole(others)
    expect(odd).toMatchObject({ error: null, finish: 'length' })
    expect(odd.parts).toMatchObject([{ end: 'engine', tokens: 30 }, { where: 'here' }])
    expect(odd.record?.tokens).toBe(30)
    await odd.settled
    await all.device.borrowing.idle()
    // Its stream is gone: the last voucher comes with the next answer.
    const next = await all.device.complete(question({ maxTokens: 9 }))
    await expectWhole([next])
    await expectCleared(all.device, all.lender.device, rawOf([...others, odd, next]))
  })
})
