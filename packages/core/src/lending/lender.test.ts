import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { from0x } from '../bytes.ts'
import { signVoucher } from '../clearing/voucher.ts'
import { TOY_INFO } from '../engine/toy-model.fixture.ts'
import { type EndReason, LendingError } from '../errors.ts'
import { systemRandom } from '../platform.ts'
import type { Frame, FrameKind, FrameOf } from '../wire/frames.ts'
import { MAX_FRAME_BYTES } from '../wire/limits.ts'
import {
  borrower,
  CHANNEL,
  createFixture,
  createHand,
  DEADLINES,
  type Fixture,
  type FixtureInit,
  type Hand,
  HOLD_BACK_MS,
  HOUSE,
  lender,
} from './lending.fixture.ts'

const ZEROS = new Uint8Array(32)

async function voucher(
  fixture: Fixture,
  tokens: number,
  cumulative: bigint,
  changes: Partial<FrameOf<'voucher'>> = {},
): Promise<FrameOf<'voucher'>> {
  const sig = await signVoucher(borrower.voucherSigner, { id: CHANNEL, house: HOUSE }, cumulative)
  const base = { channelId: from0x(CHANNEL), cumulative, sig, reqId: fixture.reqId }
  return { kind: 'voucher', ...base, tokens, runningHash: ZEROS, ...changes }
}

function request(fixture: Fixture, changes: Partial<FrameOf<'request'>> = {}): FrameOf<'request'> {
  return { kind: 'request', ...fixture.request, b: systemRandom(32), voucher: null, ...changes }
}

/** A lender under test, its borrower in the test's hand. */
function meet(init: FixtureInit = {}) {
  const fixture = createFixture(init)
  const [duplex, hand] = createHand()
  return { fixture, hand, lending: fixture.lend(duplex) }
}

async function greet({ fixture, hand }: { fixture: Fixture; hand: Hand }) {
  await hand.say({ kind: 'open', ...fixture.open })
  return hand.hear('ready')
}

/** What an ended stream leaves: a word on the wire, a reason here, and no reservation. */
async function expectEnd(
  { fixture, hand, lending }: ReturnType<typeof meet>,
  reason: EndReason,
  init: { isSaid?: boolean; isRefused?: boolean } = {},
) {
  const frames = await hand.rest()
  const lent = await lending
  expect(lent.error).toMatchObject({ name: 'LendingError', reason })
  const said = frames.filter((frame) => frame.kind === 'refuse').map((frame) => frame.reason)
  if (init.isSaid ?? true) expect(said).toEqual([reason])
  if (init.isRefused !== undefined) expect(lent.reqId === null).toBe(init.isRefused)
  const { answers } = await fixture.payeeChannel()
  for (const meter of Object.values(answers)) expect(meter.state).not.toBe('streaming')
  expect(fixture.places()).toBe(0)
  return { lent, frames }
}

/** One frame of each kind, as it might come at any time. */
async function oneOfEach(fixture: Fixture): Promise<Record<FrameKind, Frame>> {
  return {
    open: { kind: 'open', ...fixture.open },
    ready: { kind: 'ready', commit: ZEROS, maxPromptTokens: 1_024 },
    refuse: { kind: 'refuse', reason: 'busy', message: '' },
    request: request(fixture),
    progress: { kind: 'progress', promptTokensDone: 0 },
    tokens: { kind: 'tokens', start: null, ids: [1], lpCommits: [new Uint8Array(16)] },
    signed: { kind: 'signed', count: 1, runningHash: ZEROS, sig: new Uint8Array(64) },
    voucher: await voucher(fixture, 0, 1n),
    cancel: { kind: 'cancel' },
    receipt: {
      kind: 'receipt',
      body: {
        answerHash: ZEROS,
        n: ZEROS,
        count: 0,
        cachedTokens: 0,
        runningHash: ZEROS,
        finish: 'eos',
        profile: TOY_INFO.profile,
        offerHash: ZEROS,
        channelId: null,
        due: 0n,
      },
      sig: new Uint8Array(64),
      lpSalt: ZEROS,
      lps: [],
    },
    audited: { kind: 'audited', verdict: 'pass' },
    alive: { kind: 'alive' },
  }
}

const KINDS = Object.keys(await oneOfEach(createFixture())) as FrameKind[]
const except = (...legal: FrameKind[]) => KINDS.filter((kind) => !legal.includes(kind))

describe('lender', () => {
  it('default: serves who pays', async () => {
    const met = meet({ maxTokens: 20 })
    await greet(met)
    await met.hand.say(request(met.fixture))
    const { body } = await met.hand.hear('receipt')
    expect(body).toMatchObject({ count: 20, finish: 'length', due: 21n })
    await met.hand.say({ kind: 'audited', verdict: 'pass' })
    await met.hand.say(await voucher(met.fixture, 20, 21n))
    await met.hand.hear('audited')
    expect(await met.lending).toMatchObject({ error: null, isUnpaid: false, tokens: 20 })
  })

  it('behaviour: tokens that come at once share a frame; one that is waited for leaves alone', async () => {
    const held = Promise.withResolvers<void>()
    // The prompt has three tokens: the first of the answer is read while the second is held back.
    const met = meet({
      maxTokens: 12,
      beforeStep: (length) => (length === 3 ? held.promise : undefined),
    })
    await greet(met)
    await met.hand.say(request(met.fixture))
    const first = await met.hand.hear('tokens')
    expect(first.ids).toHaveLength(1)
    held.resolve()
    const sizes: number[] = []
    for (let left = 11; left > 0; left -= sizes.at(-1) ?? left) {
      sizes.push((await met.hand.hear('tokens')).ids.length)
    }
    expect(sizes.length).toBeLessThan(11)
    const { body } = await met.hand.hear('receipt')
    expect(body).toMatchObject({ count: 12, finish: 'length' })
  })

  describe('frames out of order', () => {
    it.each(except('open'))('behaviour: %s instead of open ends the stream', async (kind) => {
      const met = meet()
      await met.hand.say((await oneOfEach(met.fixture))[kind])
      await expectEnd(met, 'protocol', { isRefused: true })
    })

    it.each(except('request'))('behaviour: %s instead of request ends it', async (kind) => {
      const met = meet()
      await greet(met)
      await met.hand.say((await oneOfEach(met.fixture))[kind])
      await expectEnd(met, 'protocol', { isRefused: true })
    })

    it.each(except('voucher', 'cancel'))('behaviour: %s while it answers ends it', async (kind) => {
      const never = new Promise<void>(() => {})
      const met = meet({ beforeStep: (length) => (length === 10 ? never : undefined) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('tokens')
      await met.hand.say((await oneOfEach(met.fixture))[kind])
      await expectEnd(met, 'protocol', { isRefused: false })
    })

    it.each(except('voucher', 'cancel', 'audited'))(
      'behaviour: %s after the receipt ends the wait',
      async (kind) => {
        const met = meet()
        await greet(met)
        await met.hand.say(request(met.fixture))
        await met.hand.hear('receipt')
        await met.hand.say((await oneOfEach(met.fixture))[kind])
        expect(await met.lending).toMatchObject({ isUnpaid: true, verdict: null })
      },
    )

    it('behaviour: a second verdict or cancel ends it', async () => {
      const met = meet()
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('receipt')
      await met.hand.say({ kind: 'audited', verdict: 'pass' })
      await met.hand.say({ kind: 'audited', verdict: 'fail' })
      expect(await met.lending).toMatchObject({ verdict: 'pass', isUnpaid: true })
    })
  })

  describe('bytes that are no frames', () => {
    it.each([
      ['garbage', Uint8Array.of(0xff, 0x00, 0x13)],
      ['nothing', new Uint8Array(0)],
      ['an oversize frame', new Uint8Array(MAX_FRAME_BYTES + 1)],
      ['a frame that is not canonical', Uint8Array.of(0x82, 0x18, 0x08, 0x80)],
    ])('behaviour: %s ends the stream', async (_, bytes) => {
      for (const stage of ['open', 'request', 'answer']) {
        const never = new Promise<void>(() => {})
        const met = meet({ beforeStep: (length) => (length === 10 ? never : undefined) })
        if (stage !== 'open') await greet(met)
        if (stage === 'answer') {
          await met.hand.say(request(met.fixture))
          await met.hand.hear('tokens')
        }
        met.hand.sendRaw(bytes)
        await expectEnd(met, 'protocol')
      }
    })
  })

  describe('requests', () => {
    const huge = TOY_INFO.vocabSize
    it.each<[string, Partial<FrameOf<'request'>>, EndReason]>([
      ['an empty prompt', { promptIds: [] }, 'protocol'],
      ['no tokens', { maxTokens: 0 }, 'protocol'],
      ['a prompt id outside the vocabulary', { promptIds: [1, huge] }, 'protocol'],
      ['a stop id outside the vocabulary', { stopIds: [huge] }, 'protocol'],
      ['another chat template', { templateHash: ZEROS }, 'protocol'],
      ['more than the context holds', { promptIds: [1], maxTokens: 512 }, 'limit'],
      ['a prompt beyond the cap of strangers', { promptIds: Array(9).fill(1) }, 'limit'],
    ])('behaviour: %s is refused', async (_, changes, reason) => {
      const met = meet({ promptCapTokens: 8 })
      await greet(met)
      await met.hand.say(request(met.fixture, changes))
      await expectEnd(met, reason, { isRefused: true })
      expect(met.fixture.generated).toEqual([])
    })

    it('behaviour: a reason to refuse is said in one plain line', async () => {
      const met = meet({
        admit: () => {
          throw new LendingError('standing', { what: `no\n\u202E${'…'.repeat(300)}` })
        },
      })
      await met.hand.say({ kind: 'open', ...met.fixture.open })
      const { frames } = await expectEnd(met, 'standing', { isRefused: true })
      expect(frames).toMatchObject([{ message: `no  ${'…'.repeat(196)}` }])
    })

    it('behaviour: what the channel cannot cover is refused', async () => {
      const met = meet({ deposit: 40n })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await expectEnd(met, 'payment')
    })

    it('behaviour: a request id that is in use is refused', async () => {
      const met = meet()
      const [again, second] = createHand()
      const lending = met.fixture.lend(again)
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('receipt')
      await greet({ fixture: met.fixture, hand: second })
      await second.say(request(met.fixture))
      await second.rest()
      expect((await lending).error).toMatchObject({ reason: 'payment' })
      met.fixture.clock.pass(HOLD_BACK_MS)
      await met.lending
    })
  })

  describe('vouchers', () => {
    it.each<[string, (fixture: Fixture) => Promise<Frame>]>([
      ['for another channel', (f) => voucher(f, 0, 1n, { channelId: ZEROS })],
      ['for another answer', (f) => voucher(f, 0, 1n, { reqId: new Uint8Array(16) })],
      ['for less than is due', (f) => voucher(f, 8, 8n)],
      ['for more tokens than asked for', (f) => voucher(f, 41, 100n)],
      ['signed over another amount', (f) => voucher(f, 0, 1n, { cumulative: 9n })],
      ['with a broken signature', (f) => voucher(f, 0, 1n, { sig: new Uint8Array(65) })],
      [
        'signed by somebody else',
        async (f) => {
          const at = { id: CHANNEL, house: HOUSE }
          return voucher(f, 0, 1n, { sig: await signVoucher(lender.voucherSigner, at, 1n) })
        },
      ],
    ])('behaviour: one %s ends the answer', async (_, make) => {
      const never = new Promise<void>(() => {})
      const met = meet({ beforeStep: (length) => (length === 10 ? never : undefined) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('tokens')
      await met.hand.say(await make(met.fixture))
      await expectEnd(met, 'payment')
      expect((await met.fixture.payeeChannel()).cumulative).toBe(0n)
    })

    it('behaviour: a replayed one ends the answer, and is worth what it was', async () => {
      const never = new Promise<void>(() => {})
      const met = meet({ beforeStep: (length) => (length === 10 ? never : undefined) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('tokens')
      const first = await voucher(met.fixture, 4, 5n)
      await met.hand.say(first)
      await met.hand.say(first)
      await expectEnd(met, 'payment')
      expect((await met.fixture.payeeChannel()).cumulative).toBe(5n)
    })

    it('behaviour: one that does not hold in the request leaves nothing reserved', async () => {
      const met = meet()
      await greet(met)
      const { kind: _, ...bad } = await voucher(met.fixture, 0, 1n, { cumulative: 9n })
      await met.hand.say(request(met.fixture, { voucher: bad }))
      await expectEnd(met, 'payment')
      expect((await met.fixture.payeeChannel()).answers).toEqual({})
      expect(met.fixture.generated).toEqual([])
    })

    it('behaviour: none is taken for a free answer', async () => {
      const never = new Promise<void>(() => {})
      const met = meet({ windowTokens: null, beforeStep: (n) => (n === 10 ? never : undefined) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('tokens')
      await met.hand.say(await voucher(met.fixture, 0, 1n))
      await expectEnd(met, 'protocol')
    })
  })

  describe('deadlines', () => {
    it.each(['open', 'request'])('behaviour: no %s in time ends the stream', async (missing) => {
      const met = meet()
      if (missing === 'request') await greet(met)
      const waitMs = missing === 'request' ? DEADLINES.readyMs : DEADLINES.handshakeMs
      await met.fixture.clock.armed(waitMs)
      met.fixture.clock.pass(waitMs)
      await expectEnd(met, 'deadline', { isRefused: true })
    })

    it('behaviour: who is ready waits for the request longer than for any other frame', async () => {
      const met = meet({ windowTokens: null, maxTokens: 4 })
      await greet(met)
      met.fixture.clock.pass(DEADLINES.readyMs - 1)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('receipt')
      await met.hand.say({ kind: 'audited', verdict: 'pass' })
      expect((await met.lending).finish).toBe('length')
    })

    it.each(['busy', 'owner'] as const)(
      'behaviour: ready, it says %s when its place or its machine is wanted',
      async (reason) => {
        const stop = new AbortController()
        const [revoked, yields] = reason === 'busy' ? [stop.signal] : [undefined, stop.signal]
        const met = meet({ yields, admit: (admission) => ({ ...admission, revoked }) })
        await greet(met)
        stop.abort(new LendingError(reason, { what: 'it is wanted' }))
        await expectEnd(met, reason, { isRefused: true })
      },
    )

    it('behaviour: a request that comes too late for its place is refused, and nothing is computed', async () => {
      const begin = async () => {
        throw new LendingError('busy', { what: 'it is gone' })
      }
      const met = meet({ admit: (admission) => ({ ...admission, begin }) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await expectEnd(met, 'busy', { isRefused: true })
      expect(met.fixture.generated).toEqual([])
    })

    it('behaviour: who never pays at the window is left with what it has', async () => {
      const met = meet({ windowTokens: 8 })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.fixture.clock.armed(DEADLINES.voucherMs)
      met.fixture.clock.pass(DEADLINES.voucherMs)
      const { lent, frames } = await expectEnd(met, 'payment')
      const sent = frames.flatMap((frame) => (frame.kind === 'tokens' ? frame.ids : []))
      expect(sent).toHaveLength(8)
      expect(lent).toMatchObject({ tokens: 8, isUnpaid: true })
    })

    it('behaviour: a whole answer takes no longer than the total', async () => {
      const never = new Promise<void>(() => {})
      const met = meet({ beforeStep: (length) => (length === 10 ? never : undefined) })
      await greet(met)
      await met.hand.say(request(met.fixture))
      await met.hand.hear('tokens')
      met.fixture.clock.pass(DEADLINES.totalMs)
      await expectEnd(met, 'deadline')
    })

    it('behaviour: who never reads is cut off', async () => {
      const fixture = createFixture({ windowTokens: null })
      const [duplex, hand] = createHand()
      const never = new Promise<void>(() => {})
      let isFull = false
      const cut = Promise.withResolvers<Error>()
      const lending = fixture.lend({
        ...duplex,
        send: (frame) => {
          isFull ||= frame.kind === 'tokens'
          return isFull ? never : duplex.send(frame)
        },
        close: () => never,
        abort: cut.resolve,
      })
      await greet({ fixture, hand })
      await hand.say(request(fixture))
      await fixture.clock.armed(DEADLINES.totalMs)
      fixture.clock.pass(DEADLINES.totalMs)
      await fixture.clock.armed(2_000)
      fixture.clock.pass(2_000)
      await fixture.clock.armed(2_000)
      fixture.clock.pass(2_000)
      expect(await cut.promise).toMatchObject({ reason: 'deadline' })
      expect(await lending).toMatchObject({ error: { reason: 'deadline' } })
    })
  })

  it('behaviour: a borrower that hangs up owes what was signed', async () => {
    const never = new Promise<void>(() => {})
    const met = meet({ beforeStep: (length) => (length === 30 ? never : undefined) })
    await greet(met)
    await met.hand.say(request(met.fixture))
    await met.hand.hear('signed')
    met.hand.duplex.abort(new Error('gone'))
    const { lent } = await expectEnd(met, 'lost', { isSaid: false })
    expect(lent).toMatchObject({ isUnpaid: true })
    const { answers } = await met.fixture.payeeChannel()
    expect(answers[met.fixture.id]).toMatchObject({ state: 'held', signedTokens: 16 })
  })

  it('behaviour: no run of frames makes it hang, throw or give more than a window for nothing', async () => {
    const windowTokens = 6
    const step = fc.constantFrom<FrameKind | 'pay' | 'garbage'>(
      ...KINDS,
      'pay',
      'pay',
      'pay',
      'garbage',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(step, { maxLength: 10 }),
        async (isGreeted, steps) => {
          const met = meet({ windowTokens, maxTokens: 40 })
          const { fixture, hand } = met
          if (isGreeted) {
            await greet(met)
            await hand.say(request(fixture))
            await hand.hear('tokens')
          }
          const frames = await oneOfEach(fixture)
          let paid = 0
          for (const kind of steps) {
            if (kind === 'garbage') hand.sendRaw(systemRandom(9))
            else if (kind !== 'pay') await hand.say(frames[kind])
            else {
              paid = Math.min(40, paid + 3)
              await hand.say(await voucher(fixture, paid, BigInt(paid + 1)))
            }
          }
          await hand.duplex.close()
          const received = await hand.rest()
          const lent = await met.lending
          const tokens = received.flatMap((frame) =>
            frame.kind === 'tokens' ? frame.ids : [],
          ).length
          const { answers } = await fixture.payeeChannel()
          expect(tokens).toBeLessThanOrEqual(paid + windowTokens)
          expect(lent.tokens).toBeLessThanOrEqual(paid + windowTokens)
          for (const meter of Object.values(answers)) expect(meter.state).not.toBe('streaming')
          expect(fixture.places()).toBe(0)
          expect(fixture.clock.waits()).toBe(0)
        },
      ),
      { numRuns: 40 },
    )
  })
})
