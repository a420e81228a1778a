import { describe, expect, it } from 'vitest'
import { TOY_END, TOY_INFO } from '../engine/toy-model.fixture.ts'
import type { EndReason } from '../errors.ts'
import { systemRandom } from '../platform.ts'
import type { Frame, FrameKind, FrameOf, ReceiptBody } from '../wire/frames.ts'
import { MAX_CHUNK_TOKENS, MAX_FRAME_BYTES, MAX_TOKENS_PER_FRAME } from '../wire/limits.ts'
import {
  answerHash,
  firstRunningHash,
  lpCommitment,
  nextRunningHash,
  nonceCommit,
  receiptHash,
  signedHash,
  type Terms,
} from '../wire/transcript.ts'
import type { BorrowInit } from './borrow-terms.ts'
import { checkEvidence, type Evidence, type SignedState } from './evidence.ts'
import {
  createFixture,
  createHand,
  DEADLINES,
  type FixtureInit,
  lender,
  borrower as stranger,
} from './lending.fixture.ts'

const ZEROS = new Uint8Array(32)

/** A borrower under test; the lender is in the test's hand and knows how to be honest. */
async function meet(init: FixtureInit & { changes?: Partial<BorrowInit> } = {}) {
  const fixture = createFixture({ maxTokens: 6, ...init })
  const [duplex, hand] = createHand()
  const borrowing = fixture.borrow(duplex, init.changes)
  borrowing.catch(() => {})
  const [n, lpSalt] = [systemRandom(32), systemRandom(32)]
  const ids: number[] = []
  let answer: Uint8Array = ZEROS
  let running: Uint8Array = ZEROS
  const lps = () => ids.map((_, t) => -t)

  const self = {
    fixture,
    hand,
    borrowing,
    n,
    greet: async (): Promise<void> => {
      const { kind: _open, ...open } = await hand.hear('open')
      const commit = nonceCommit(n)
      await hand.say({ kind: 'ready', commit, maxPromptTokens: 1_024 })
      const { kind: _request, ...request } = await hand.hear('request')
      const terms: Terms = { open, commit, request }
      answer = answerHash(terms)
      running = firstRunningHash(answer)
    },
    tokens: (
      more: readonly number[],
      changes: Partial<FrameOf<'tokens'>> = {},
    ): FrameOf<'tokens'> => {
      const lpCommits = more.map((_, i) => lpCommitment(lpSalt, ids.length + i, -(ids.length + i)))
      const start = ids.length === 0 ? { n, cachedTokens: 0 } : null
      for (const [i, id] of more.entries()) {
        running = nextRunningHash(running, id, lpCommits[i]!)
        ids.push(id)
      }
      return { kind: 'tokens', start, ids: [...more], lpCommits, ...changes }
    },
    signed: async (changes: Partial<FrameOf<'signed'>> = {}): Promise<FrameOf<'signed'>> => {
      const count = ids.length
      const sig = await lender.sign(signedHash(answer, count, running))
      return { kind: 'signed', count, runningHash: running, sig, ...changes }
    },
    receipt: async (
      changes: Partial<ReceiptBody> = {},
      frame: Partial<FrameOf<'receipt'>> = {},
    ): Promise<FrameOf<'receipt'>> => {
      const body: ReceiptBody = {
        answerHash: answer,
        n,
        count: ids.length,
        cachedTokens: 0,
        runningHash: running,
        finish: 'length',
        profile: TOY_INFO.profile,
        offerHash: fixture.open.offerHash,
        channelId: fixture.open.channelId,
        due: 7n,
        ...changes,
      }
      const sig = await lender.sign(receiptHash(body))
      return { kind: 'receipt', body, sig, lpSalt, lps: lps(), ...frame }
    },
    /** All of an honest answer but its receipt. */
    say: async (more: readonly number[]): Promise<void> => {
      await hand.say(self.tokens(more))
      await hand.say(await self.signed())
    },
  }
  return self
}

type Met = Awaited<ReturnType<typeof meet>>

/** What a broken-off answer leaves: its reason, what is signed, and no reservation. */
async function expectEnd({ fixture, borrowing }: Met, reason: EndReason, signedTokens = 0) {
  const borrowed = await borrowing
  expect(borrowed.error).toMatchObject({ name: 'LendingError', reason })
  expect(borrowed.end).toBe(reason)
  expect(borrowed.evidence?.receipt ?? null).toBeNull()
  expect(borrowed.evidence?.signed?.count ?? 0).toBe(signedTokens)
  if (signedTokens > 0) {
    expect(await checkEvidence({ ...borrowed.evidence!, receipt: null })).toBeNull()
  }
  const meters = Object.values((await fixture.payerChannel()).answers)
  expect(meters.map((meter) => [meter.state, meter.signedTokens])).toEqual(
    signedTokens > 0 ? [['held', signedTokens]] : [],
  )
  expect(fixture.clock.waits()).toBe(0)
  return borrowed
}

/** One frame of each kind, as it might come at any time. */
async function oneOfEach(met: Met): Promise<Record<FrameKind, Frame>> {
  const { kind: _, ...request } = { kind: 'request', ...met.fixture.request }
  const channelId = ZEROS
  return {
    open: { kind: 'open', ...met.fixture.open },
    ready: { kind: 'ready', commit: ZEROS, maxPromptTokens: 1_024 },
    refuse: { kind: 'refuse', reason: 'busy', message: 'no place' },
    request: { kind: 'request', ...request, b: ZEROS, voucher: null },
    progress: { kind: 'progress', promptTokensDone: 1 },
    tokens: { kind: 'tokens', start: null, ids: [1], lpCommits: [new Uint8Array(16)] },
    signed: { kind: 'signed', count: 1, runningHash: ZEROS, sig: new Uint8Array(64) },
    voucher: {
      ...{ kind: 'voucher', channelId, cumulative: 1n, sig: new Uint8Array(65) },
      ...{ reqId: new Uint8Array(16), tokens: 1, runningHash: ZEROS },
    },
    cancel: { kind: 'cancel' },
    receipt: await met.receipt(),
    audited: { kind: 'audited', verdict: 'pass' },
    alive: { kind: 'alive' },
  }
}

const KINDS = Object.keys(await oneOfEach(await meet())) as FrameKind[]
const except = (...legal: FrameKind[]) => KINDS.filter((kind) => !legal.includes(kind))

describe('borrower', () => {
  it('default: takes an answer whose every word holds', async () => {
    const met = await meet()
    await met.greet()
    await met.hand.say({ kind: 'progress', promptTokensDone: 0 })
    await met.hand.say({ kind: 'progress', promptTokensDone: 2 })
    await met.say([1, 2, 3])
    await met.say([4, 5, 6])
    await met.hand.say(await met.receipt())
    const borrowed = await met.borrowing
    expect(borrowed).toMatchObject({ end: 'receipt', error: null, finish: 'length' })
    expect(borrowed.evidence?.ids).toEqual([1, 2, 3, 4, 5, 6])
    expect(await checkEvidence(borrowed.evidence!)).toBeNull()
    const leaving = borrowed.conclude('pass')
    expect(await met.hand.hear('voucher')).toMatchObject({ tokens: 0, cumulative: 1n })
    expect(await met.hand.hear('audited')).toMatchObject({ verdict: 'pass' })
    expect(await met.hand.hear('voucher')).toMatchObject({ tokens: 6, cumulative: 7n })
    await met.hand.say({ kind: 'audited', verdict: 'pass' })
    expect(await leaving).toBeNull()
  })

  it('behaviour: a lender that hangs up without a word gets the voucher later', async () => {
    const met = await meet()
    await met.greet()
    await met.say([1, 2, 3, 4, 5, 6])
    await met.hand.say(await met.receipt())
    await met.hand.duplex.close()
    expect(await (await met.borrowing).conclude('pass')).toMatchObject({
      tokens: 6,
      cumulative: 7n,
    })
  })

  it('behaviour: what is signed is put on disk as it comes', async () => {
    const counts: number[] = []
    const onSigned = async ({ signed, ids }: Evidence & { signed: SignedState }) => {
      expect(ids).toHaveLength(signed.count)
      counts.push(signed.count)
    }
    const met = await meet({ changes: { onSigned } })
    await met.greet()
    await met.say([1, 2])
    await met.say([3])
    met.hand.duplex.abort(new Error('gone'))
    await expectEnd(met, 'lost', 3)
    expect(counts).toEqual([2, 3])
  })

  it('behaviour: a payment that fails ends the answer at once, by its own name', async () => {
    const met = await meet()
    await met.greet()
    await met.fixture.paying.update(
      (await met.fixture.payerChannel()).id,
      (old) => old && { ...old, deposit: 0n },
    )
    await met.say([1, 2])
    const borrowed = await met.borrowing
    expect(borrowed.error).toMatchObject({ reason: 'payment' })
  })

  describe('frames out of order', () => {
    it.each(except('ready', 'refuse', 'alive'))(
      'behaviour: %s instead of ready ends the stream',
      async (kind) => {
        const met = await meet()
        await met.hand.say((await oneOfEach(met))[kind])
        await expect(met.borrowing).rejects.toMatchObject({ reason: 'protocol' })
        expect((await met.fixture.payerChannel()).answers).toEqual({})
      },
    )

    it.each(except('refuse', 'progress', 'alive'))(
      'behaviour: %s before the first token ends it',
      async (kind) => {
        const met = await meet()
        await met.greet()
        await met.hand.say((await oneOfEach(met))[kind])
        await expectEnd(met, 'protocol')
      },
    )

    it.each(except('refuse', 'tokens', 'alive'))(
      'behaviour: %s among tokens ends it',
      async (kind) => {
        const met = await meet()
        await met.greet()
        await met.say([1, 2])
        await met.hand.say((await oneOfEach(met))[kind])
        await expectEnd(met, 'protocol', 2)
      },
    )

    it('behaviour: a refusal is passed on, and a late one is remembered', async () => {
      const early = await meet()
      await early.hand.say({ kind: 'refuse', reason: 'standing', message: 'unpaid' })
      await expect(early.borrowing).rejects.toMatchObject({ reason: 'standing', why: 'unpaid' })
      const late = await meet()
      await late.greet()
      await late.hand.say({ kind: 'refuse', reason: 'busy', message: '' })
      expect(await expectEnd(late, 'busy')).toMatchObject({ isRefusedLate: true })
    })
  })

  describe('bytes that are no frames', () => {
    it.each([
      ['garbage', Uint8Array.of(0xff, 0x00, 0x13)],
      ['an oversize frame', new Uint8Array(MAX_FRAME_BYTES + 1)],
    ])('behaviour: %s ends the answer', async (_, bytes) => {
      const early = await meet()
      early.hand.sendRaw(bytes)
      await expect(early.borrowing).rejects.toMatchObject({ reason: 'protocol' })
      const met = await meet()
      await met.greet()
      await met.say([1, 2])
      met.hand.sendRaw(bytes)
      await expectEnd(met, 'protocol', 2)
    })
  })

  describe('tokens', () => {
    it.each<[string, (met: Met) => Frame]>([
      ['n that does not match', (m) => m.tokens([1], { start: { n: ZEROS, cachedTokens: 0 } })],
      ['a cache beyond the prompt', (m) => m.tokens([1], { start: { n: m.n, cachedTokens: 4 } })],
      ['no start', (m) => m.tokens([1], { start: null })],
      ['no ids', (m) => m.tokens([])],
      ['fewer commitments than ids', (m) => m.tokens([1, 2], { lpCommits: [] })],
      ['an id outside the vocabulary', (m) => m.tokens([TOY_INFO.vocabSize])],
      ['more than asked for', (m) => m.tokens([1, 2, 3, 4, 5, 6, 7])],
      ['more after the end', (m) => m.tokens([TOY_END, 1])],
      ['more after a stop id', (m) => m.tokens([40, 1])],
    ])('behaviour: %s ends the answer', async (_, make) => {
      const met = await meet()
      met.fixture.request.stopIds.push(40)
      await met.greet()
      await met.hand.say(make(met))
      await expectEnd(met, 'protocol')
    })

    it('behaviour: a second start ends the answer', async () => {
      const met = await meet()
      await met.greet()
      await met.say([1])
      await met.hand.say(met.tokens([2], { start: { n: met.n, cachedTokens: 0 } }))
      await expectEnd(met, 'protocol', 1)
    })

    it('behaviour: too many without a signature end the answer', async () => {
      const met = await meet({ maxTokens: 200 })
      await met.greet()
      const most = MAX_CHUNK_TOKENS + MAX_TOKENS_PER_FRAME
      await met.hand.say(met.tokens(Array(MAX_TOKENS_PER_FRAME).fill(1)))
      await met.hand.say(met.tokens(Array(most - MAX_TOKENS_PER_FRAME).fill(1)))
      await met.hand.say(met.tokens([1]))
      await expectEnd(met, 'protocol')
    })
  })

  describe('signatures', () => {
    it.each<[string, (met: Met) => Promise<Frame>]>([
      ['a wrong signature', (m) => m.signed({ sig: new Uint8Array(64) })],
      [
        'somebody else’s signature',
        async (m) => {
          const { count, runningHash } = await m.signed()
          return m.signed({ sig: await stranger.sign(signedHash(ZEROS, count, runningHash)) })
        },
      ],
      ['a wrong running hash', (m) => m.signed({ runningHash: ZEROS })],
      ['a count of tokens that were not sent', (m) => m.signed({ count: 4 })],
      ['a count that is signed already', (m) => m.signed({ count: 2 })],
      ['no count', (m) => m.signed({ count: 0 })],
    ])('behaviour: %s ends the answer', async (_, make) => {
      const met = await meet()
      await met.greet()
      await met.say([1, 2])
      await met.hand.say(met.tokens([3]))
      await met.hand.say(await make(met))
      await expectEnd(met, 'protocol', 2)
    })
  })

  describe('receipts', () => {
    it.each<[string, (met: Met) => Promise<Frame>]>([
      ['another count', (m) => m.receipt({ count: 5 })],
      ['another running hash', (m) => m.receipt({ runningHash: ZEROS })],
      ['another n', (m) => m.receipt({ n: ZEROS })],
      ['another answer', (m) => m.receipt({ answerHash: ZEROS })],
      ['another offer', (m) => m.receipt({ offerHash: ZEROS })],
      ['another channel', (m) => m.receipt({ channelId: ZEROS })],
      ['no channel', (m) => m.receipt({ channelId: null })],
      ['another profile', (m) => m.receipt({ profile: { ...TOY_INFO.profile, backend: 'cuda' } })],
      ['another cache', (m) => m.receipt({ cachedTokens: 1 })],
      ['an end of text that is none', (m) => m.receipt({ finish: 'eos' })],
      ['a stop that is none', (m) => m.receipt({ finish: 'stop' })],
      ['an abort that nobody asked for', (m) => m.receipt({ finish: 'abort' })],
      ['a wrong signature', (m) => m.receipt({}, { sig: new Uint8Array(64) })],
      ['another salt', (m) => m.receipt({}, { lpSalt: ZEROS })],
      ['a changed log-probability', (m) => m.receipt({}, { lps: [0, -1, -2, -3, -4, -6] })],
      ['too few log-probabilities', (m) => m.receipt({}, { lps: [0] })],
    ])('behaviour: one with %s ends the answer without it', async (_, make) => {
      const met = await meet()
      await met.greet()
      await met.say([1, 2, 3, 4, 5, 6])
      await met.hand.say(await make(met))
      await expectEnd(met, 'protocol', 6)
    })

    it.each<[string, readonly number[], ReceiptBody['finish']]>([
      ['length before it is reached', [1, 2], 'length'],
      ['an end after a token that ends nothing', [1, 2], 'eos'],
      ['length after the end of the text', [1, TOY_END], 'length'],
    ])('behaviour: %s is no end', async (_, ids, finish) => {
      const met = await meet()
      await met.greet()
      await met.say(ids)
      await met.hand.say(await met.receipt({ finish }))
      await expectEnd(met, 'protocol', ids.length)
    })

    it('behaviour: one over tokens that are not signed ends the answer', async () => {
      const met = await meet()
      await met.greet()
      await met.say([1, 2, 3])
      await met.hand.say(met.tokens([4, 5, 6]))
      await met.hand.say(await met.receipt())
      await expectEnd(met, 'protocol', 3)
    })
  })

  describe('deadlines', () => {
    it('behaviour: no ready in time', async () => {
      const met = await meet()
      await met.fixture.clock.armed(DEADLINES.handshakeMs)
      met.fixture.clock.pass(DEADLINES.handshakeMs)
      await expect(met.borrowing).rejects.toMatchObject({ reason: 'deadline' })
      expect((await met.fixture.payerChannel()).answers).toEqual({})
    })

    it('behaviour: no first token in time; progress that gets further moves it', async () => {
      const met = await meet({ promptIds: [1, 2, 3, 4, 5, 6, 7, 8] })
      const { clock } = met.fixture
      await met.greet()
      for (const promptTokensDone of [0, 3, 7]) {
        await clock.armed(DEADLINES.firstTokenMs)
        clock.pass(DEADLINES.firstTokenMs - 1)
        const isHeard = clock.next(DEADLINES.firstTokenMs)
        await met.hand.say({ kind: 'progress', promptTokensDone })
        await isHeard
      }
      clock.pass(DEADLINES.firstTokenMs)
      expect((await expectEnd(met, 'deadline')).error?.why).toMatch(/first token/)
    })

    it.each([
      [0, 0],
      [2, 2],
      [2, 1],
      [2, 4],
    ])('behaviour: progress from %i to %i is none', async (before, after) => {
      const met = await meet()
      await met.greet()
      await met.hand.say({ kind: 'progress', promptTokensDone: before })
      await met.hand.say({ kind: 'progress', promptTokensDone: after })
      await expectEnd(met, 'protocol')
    })

    it('behaviour: a lender that stalls is named so, and only what is signed is owed', async () => {
      const third = Promise.withResolvers<void>()
      const onTokens = (ids: readonly number[]) => ids.includes(3) && third.resolve()
      const met = await meet({ changes: { onTokens } })
      await met.greet()
      await met.say([1, 2])
      await met.hand.say(met.tokens([3]))
      await third.promise
      await met.fixture.clock.armed(DEADLINES.stallMs)
      met.fixture.clock.pass(DEADLINES.stallMs)
      const borrowed = await expectEnd(met, 'stall', 2)
      expect(borrowed.evidence?.ids).toEqual([1, 2, 3])
      expect(borrowed.error?.message).toMatch(/stalled: no further tokens within 2001 ms/)
      expect(await borrowed.conclude('pass')).toMatchObject({ tokens: 2, cumulative: 3n })
    })

    it('behaviour: a whole answer takes no longer than the total', async () => {
      const second = Promise.withResolvers<void>()
      const onTokens = (ids: readonly number[]) => ids.includes(2) && second.resolve()
      const deadlines = { ...DEADLINES, totalMs: DEADLINES.stallMs + 500 }
      const met = await meet({ changes: { onTokens, deadlines } })
      await met.greet()
      await met.say([1])
      await met.hand.hear('voucher')
      met.fixture.clock.pass(DEADLINES.stallMs - 1)
      await met.hand.say(met.tokens([2]))
      await second.promise
      await met.fixture.clock.armed(501)
      met.fixture.clock.pass(501)
      expect((await expectEnd(met, 'deadline', 1)).error?.why).toMatch(/end of the answer/)
    })

    it('behaviour: after a cancel the receipt has two seconds', async () => {
      const stop = new AbortController()
      const met = await meet({ changes: { signal: stop.signal } })
      await met.greet()
      await met.say([1, 2])
      await met.hand.hear('voucher')
      stop.abort()
      await met.hand.hear('cancel')
      await met.fixture.clock.armed(2_000)
      met.fixture.clock.pass(2_000)
      await expectEnd(met, 'cancelled', 2)
    })
  })
})
