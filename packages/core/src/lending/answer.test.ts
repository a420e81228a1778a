import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { from0x, to0x } from '../bytes.ts'
import { acceptVoucher } from '../clearing/payee.ts'
import { checkVoucher } from '../clearing/voucher.ts'
import { generate } from '../engine/generate.ts'
import { TOY_END } from '../engine/toy-model.fixture.ts'
import { EngineError } from '../errors.ts'
import type { Frame } from '../wire/frames.ts'
import type { FrameDuplex } from './duplex.ts'
import { createDuplexPair } from './duplex-pair.ts'
import { checkEvidence, evidenceSeed } from './evidence.ts'
import {
  CHANNEL,
  createFixture,
  DEADLINES,
  type Fixture,
  HOLD_BACK_MS,
  PRICES,
} from './lending.fixture.ts'

/** Both sides of one answer, and every frame that either received. */
function start(
  fixture: Fixture,
  init: { borrowSignal?: AbortSignal; lendSignal?: AbortSignal } = {},
) {
  const [near, far] = createDuplexPair()
  const frames: Frame[] = []
  const watch = (duplex: FrameDuplex): FrameDuplex => ({
    ...duplex,
    receive: async () => {
      const frame = await duplex.receive()
      if (frame !== null) frames.push(frame)
      return frame
    },
  })
  const lending = fixture.lend(watch(far), init.lendSignal)
  const borrowing = fixture.borrow(watch(near), { signal: init.borrowSignal })
  borrowing.catch(() => {})
  return { lending, borrowing, frames, near, far }
}

function cost(prompt: number, output: number): bigint {
  return BigInt(Math.ceil((prompt * PRICES.prompt + output * PRICES.output) / 1e6))
}

describe('answer', () => {
  it('default: the borrower gets what the model says under the agreed seed, and pays for it', async () => {
    const fixture = createFixture({ maxTokens: 100, windowTokens: 32 })
    const { lending, borrowing } = start(fixture)
    const borrowed = await borrowing
    expect(borrowed).toMatchObject({ end: 'receipt', finish: 'length', error: null })
    const evidence = borrowed.evidence!
    expect(await checkEvidence(evidence)).toBeNull()
    const alone: number[] = []
    await using sequence = await fixture.model.openSequence()
    const request = { ...fixture.request, seed: evidenceSeed(evidence), temperature: 1 }
    for await (const { id } of generate(sequence, { ...request, endIds: [TOY_END] })) alone.push(id)
    expect(evidence.ids).toEqual(alone)
    expect(fixture.shown).toEqual(alone)
    expect(borrowed.heldTokens).toBeGreaterThan(0)
    expect(borrowed.heldTokens).toBeLessThanOrEqual(32)
    expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, 100 - borrowed.heldTokens))

    expect(await borrowed.conclude('pass')).toBeNull()
    const lent = await lending
    expect(lent).toMatchObject({ tokens: 100, verdict: 'pass', isUnpaid: false, error: null })
    const [payer, payee] = [await fixture.payerChannel(), await fixture.payeeChannel()]
    expect(payee.cumulative).toBe(cost(3, 100))
    expect(payer.cumulative).toBe(payee.cumulative)
    expect([payer.answers, payee.answers]).toEqual([{}, {}])
    await checkVoucher(payee, payee.cumulative, from0x(payee.signature!))
    expect(fixture.clock.waits()).toBe(0)
  })

  it('default: a free answer needs no channel, and its verdict is heard', async () => {
    const fixture = createFixture({ windowTokens: null, endsAt: 20 })
    const { lending, borrowing, frames } = start(fixture)
    const borrowed = await borrowing
    expect(borrowed).toMatchObject({ end: 'receipt', finish: 'eos', heldTokens: 0 })
    expect(await borrowed.conclude('pending')).toBeNull()
    expect(await lending).toMatchObject({ verdict: 'pending', isUnpaid: false, error: null })
    expect(frames.some(({ kind }) => kind === 'voucher')).toBe(false)
    expect((await fixture.payeeChannel()).cumulative).toBe(0n)
  })

  it('behaviour: the first signed state pays the prompt', async () => {
    const fixture = createFixture({ promptIds: Array(60).fill(9), maxTokens: 20 })
    const { lending, borrowing, frames } = start(fixture)
    const borrowed = await borrowing
    const vouchers = frames.filter((frame) => frame.kind === 'voucher')
    expect(vouchers).toMatchObject([{ tokens: 0, cumulative: cost(60, 0) }])
    await borrowed.conclude('pass')
    await lending
  })

  it('behaviour: no more than a window is ever generated and unpaid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 90 }),
        async (windowTokens, maxTokens) => {
          const fixture = createFixture({ windowTokens, maxTokens })
          const { lending, borrowing, frames } = start(fixture)
          const borrowed = await borrowing
          expect(borrowed).toMatchObject({ end: 'receipt', finish: 'length' })
          let [sent, paid] = [0, 0]
          for (const frame of frames) {
            if (frame.kind === 'tokens') sent += frame.ids.length
            if (frame.kind === 'voucher') paid = Math.max(paid, frame.tokens)
            expect(sent - paid).toBeLessThanOrEqual(windowTokens)
          }
          await borrowed.conclude('pass')
          await lending
          expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, maxTokens))
        },
      ),
      {
        numRuns: 25,
        examples: [
          [1, 9],
          [2, 9],
          [5, 30],
          [40, 1],
        ],
      },
    )
  })

  it('behaviour: the hold-back waits for the verdict', async () => {
    const fixture = createFixture()
    const { lending, borrowing } = start(fixture)
    const borrowed = await borrowing
    expect(Object.values((await fixture.payerChannel()).answers)).toMatchObject([
      { state: 'held', signedTokens: 40, paidTokens: 0, isPromptPaid: true },
    ])
    expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, 0))
    await borrowed.conclude('pending')
    expect((await lending).isUnpaid).toBe(false)
    expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, 40))
  })

  it('behaviour: a failing verdict keeps the hold-back', async () => {
    const fixture = createFixture()
    const { lending, borrowing } = start(fixture)
    expect(await (await borrowing).conclude('fail')).toBeNull()
    expect(await lending).toMatchObject({ verdict: 'fail', isUnpaid: true })
    for (const channel of [await fixture.payerChannel(), await fixture.payeeChannel()]) {
      expect(channel.cumulative).toBe(cost(3, 0))
      expect(channel.answers[fixture.id]).toMatchObject({ state: 'withheld' })
    }
  })

  it('behaviour: a hold-back that never comes is booked as owed', async () => {
    const fixture = createFixture()
    const { lending, borrowing } = start(fixture)
    await borrowing
    await fixture.clock.armed(HOLD_BACK_MS)
    fixture.clock.pass(HOLD_BACK_MS)
    expect(await lending).toMatchObject({ verdict: null, isUnpaid: true })
    expect((await fixture.payeeChannel()).answers[fixture.id]).toMatchObject({ state: 'held' })
  })

  it('behaviour: a voucher that cannot be delivered is handed back', async () => {
    const fixture = createFixture()
    const { lending, borrowing } = start(fixture)
    const borrowed = await borrowing
    await fixture.clock.armed(HOLD_BACK_MS)
    fixture.clock.pass(HOLD_BACK_MS)
    await lending
    const concluding = borrowed.conclude('pass')
    const voucher = (await concluding) ?? null
    // The lender has hung up: nobody can tell whether it still read the voucher.
    if (voucher === null) return
    expect(to0x(voucher.channelId)).toBe(CHANNEL)
    await acceptVoucher(fixture.earning, CHANNEL, voucher)
    expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, 40))
  })

  describe('cancelled', () => {
    it('behaviour: before the request nothing is asked', async () => {
      const fixture = createFixture()
      const { lending, borrowing } = start(fixture, { borrowSignal: AbortSignal.abort() })
      await expect(borrowing).rejects.toMatchObject({ reason: 'cancelled' })
      expect((await lending).error).toMatchObject({ reason: 'lost' })
      expect(fixture.generated).toEqual([])
      expect((await fixture.payerChannel()).answers).toEqual({})
    })

    it('behaviour: during the prompt nothing is owed', async () => {
      const stop = new AbortController()
      const never = new Promise<void>(() => {})
      const fixture = createFixture({
        beforeStep: (length) => {
          if (length === 1) stop.abort()
          return length === 1 ? never : undefined
        },
      })
      const { lending, borrowing } = start(fixture, { borrowSignal: stop.signal })
      const borrowed = await borrowing
      expect(borrowed).toMatchObject({ end: 'cancelled', evidence: null, heldTokens: 0 })
      await borrowed.conclude('pending')
      expect(await lending).toMatchObject({ finish: 'abort', tokens: 0, isUnpaid: false })
      for (const channel of [await fixture.payerChannel(), await fixture.payeeChannel()]) {
        expect([channel.answers, channel.cumulative]).toEqual([{}, 0n])
      }
    })

    it('behaviour: by the borrower, what came until then is signed and paid', async () => {
      const stop = new AbortController()
      const gate = Promise.withResolvers<void>()
      const fixture = createFixture({
        beforeStep: (length) => (length === 25 ? gate.promise : undefined),
      })
      const { lending, borrowing } = start(fixture, { borrowSignal: stop.signal })
      await fixture.clock.armed(DEADLINES.stallMs)
      stop.abort()
      const borrowed = await borrowing
      expect(borrowed).toMatchObject({ end: 'cancelled', finish: 'abort' })
      const count = borrowed.evidence!.signed!.count
      expect(borrowed.evidence!.ids).toHaveLength(count)
      expect(await checkEvidence(borrowed.evidence!)).toBeNull()
      await borrowed.conclude('pass')
      expect(await lending).toMatchObject({ finish: 'abort', tokens: count, isUnpaid: false })
      expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, count))
    })

    it('behaviour: by the borrower while the lender is silent, it waits no longer than for a receipt', async () => {
      const stop = new AbortController()
      const fixture = createFixture()
      const [near] = createDuplexPair()
      const borrowing = fixture.borrow(near, { signal: stop.signal })
      borrowing.catch(() => {})
      await fixture.clock.armed(DEADLINES.handshakeMs)
      stop.abort()
      await expect(borrowing).rejects.toMatchObject({ reason: 'cancelled' })
    })

    it('behaviour: by the lender, what is signed stays owed', async () => {
      const stop = new AbortController()
      const never = new Promise<void>(() => {})
      const fixture = createFixture({
        beforeStep: (length) => {
          if (length !== 25) return
          stop.abort()
          return never
        },
      })
      const { lending, borrowing } = start(fixture, { lendSignal: stop.signal })
      const borrowed = await borrowing
      expect(borrowed.error).toMatchObject({ reason: 'lost' })
      expect(borrowed.evidence!.signed).toMatchObject({ count: 16 })
      expect(await lending).toMatchObject({ error: { reason: 'cancelled' }, isUnpaid: true })
      const late = await borrowed.conclude('pass')
      await acceptVoucher(fixture.earning, CHANNEL, late!)
      expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, 16))
      expect((await fixture.payeeChannel()).answers).toEqual({})
    })
  })

  it('behaviour: an engine that fails ends its answer with that reason, and all it gave is signed', async () => {
    const fixture = createFixture({
      beforeStep: (length) => {
        if (length === 23) throw new EngineError({ what: 'the engine process died' })
      },
    })
    const { lending, borrowing } = start(fixture)
    const borrowed = await borrowing
    expect(borrowed).toMatchObject({ end: 'engine', isRefusedLate: true })
    const count = borrowed.evidence!.signed!.count
    expect(borrowed.evidence!.ids).toHaveLength(count)
    const lent = await lending
    expect(lent).toMatchObject({ error: { reason: 'engine' }, tokens: count, isUnpaid: true })
    const late = await borrowed.conclude('pass')
    if (late) await acceptVoucher(fixture.earning, CHANNEL, late)
    expect((await fixture.payeeChannel()).cumulative).toBe(cost(3, count))
    expect((await fixture.payeeChannel()).answers).toEqual({})
    expect(fixture.places()).toBe(0)
  })

  it('behaviour: an engine that fails before the first token leaves nothing reserved', async () => {
    const fixture = createFixture({
      beforeStep: () => {
        throw new EngineError({ what: 'the engine process died' })
      },
    })
    const { lending, borrowing } = start(fixture)
    const borrowed = await borrowing
    expect(borrowed).toMatchObject({ end: 'engine', evidence: null })
    expect(await borrowed.conclude('pending')).toBeNull()
    expect(await lending).toMatchObject({ error: { reason: 'engine' }, isUnpaid: false })
    for (const channel of [await fixture.payerChannel(), await fixture.payeeChannel()]) {
      expect([channel.answers, channel.cumulative]).toEqual([{}, 0n])
    }
  })

  it('behaviour: a channel that cannot cover the answer is said so, and nothing stays reserved', async () => {
    const fixture = createFixture({ deposit: 10n })
    const { lending, borrowing } = start(fixture)
    await expect(borrowing).rejects.toMatchObject({ reason: 'payment' })
    expect((await lending).error).toMatchObject({ reason: 'lost' })
    expect((await fixture.payerChannel()).answers).toEqual({})
    expect((await fixture.payeeChannel()).answers).toEqual({})
  })
})
