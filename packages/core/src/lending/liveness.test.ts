import { describe, expect, it } from 'vitest'
import { systemRandom } from '../platform.ts'
import type { Frame } from '../wire/frames.ts'
import { nonceCommit } from '../wire/transcript.ts'
import type { Deadlines } from './deadlines.ts'
import { createFixture, createHand, DEADLINES, type FixtureInit } from './lending.fixture.ts'

const LIVE: Deadlines = {
  ...DEADLINES,
  silenceMs: 1_801,
  beatMs: 499,
  firstTokenMs: 15_003,
  stallMs: 8_003,
}

/** A borrower that expects signs of life, from a lender in the test's hand. */
function borrow(init: FixtureInit = {}) {
  const fixture = createFixture({ maxTokens: 6, windowTokens: null, ...init })
  const [duplex, hand] = createHand()
  const borrowing = fixture.borrow(duplex, { deadlines: LIVE })
  borrowing.catch(() => {})
  const { clock } = fixture
  /** Lets time pass; the lender is heard of each time. */
  const live = async (beats: number) => {
    for (let i = 0; i < beats; i++) {
      await clock.armed(LIVE.silenceMs)
      clock.pass(LIVE.beatMs)
      const heard = clock.next(LIVE.silenceMs)
      await hand.say({ kind: 'alive' })
      await heard
    }
  }
  const greet = async () => {
    await hand.hear('open')
    await hand.say({ kind: 'ready', commit: nonceCommit(systemRandom(32)), maxPromptTokens: 1_024 })
    await hand.hear('request')
  }
  return { fixture, hand, borrowing, clock, live, greet }
}

/** A lender that gives signs of life, to a borrower in the test's hand. */
async function lend(ping: () => Promise<void>) {
  const never = new Promise<void>(() => {})
  const fixture = createFixture({
    windowTokens: null,
    deadlines: LIVE,
    beforeStep: () => never,
    admit: (admission) => ({ ...admission, model: { ...admission.model, ping } }),
  })
  const [duplex, hand] = createHand()
  const stop = new AbortController()
  const lending = fixture.lend(duplex, stop.signal)
  await hand.say({ kind: 'open', ...fixture.open })
  await hand.hear('ready')
  const request: Frame = { kind: 'request', ...fixture.request, b: systemRandom(32), voucher: null }
  await hand.say(request)
  await hand.hear('progress')
  return { fixture, hand, lending, stop }
}

describe('a lender that is silent', () => {
  it('default: is given up at every phase once nothing was heard of it for silenceMs', async () => {
    const { hand, clock, borrowing, fixture } = borrow()
    await hand.hear('open')
    await clock.armed(LIVE.silenceMs)
    clock.pass(LIVE.silenceMs)
    await expect(borrowing).rejects.toMatchObject({ reason: 'deadline' })
    expect(fixture.clock.waits()).toBe(0)

    const later = borrow()
    await later.greet()
    await later.clock.armed(LIVE.silenceMs)
    later.clock.pass(LIVE.silenceMs)
    expect(await later.borrowing).toMatchObject({ end: 'deadline', evidence: null })
  })

  it('default: a long prefill is not death, and has its own deadline', async () => {
    const { clock, borrowing, greet, live } = borrow()
    await greet()
    await live(20)
    clock.pass(LIVE.firstTokenMs - 20 * LIVE.beatMs)
    expect(await borrowing).toMatchObject({ end: 'deadline' })
  })

  it('behaviour: signs of life without end are no protocol', async () => {
    const { hand, borrowing, greet } = borrow()
    await greet()
    for (let i = 0; i < 30; i++) await hand.say({ kind: 'alive' })
    expect(await borrowing).toMatchObject({ end: 'protocol' })
  })
})

describe('signs of life of a lender', () => {
  it('default: leave while its engine answers, whatever that computes', async () => {
    const { fixture, hand, lending, stop } = await lend(async () => {})
    for (let i = 0; i < 3; i++) {
      await fixture.clock.armed(LIVE.beatMs)
      fixture.clock.pass(LIVE.beatMs)
      await hand.hear('alive')
    }
    stop.abort()
    await lending
  })

  it('behaviour: end with an engine that is wedged', async () => {
    const asked = Promise.withResolvers<void>()
    const wedged = new Promise<void>(() => {})
    const { fixture, hand, lending, stop } = await lend(() => {
      asked.resolve()
      return wedged
    })
    await fixture.clock.armed(LIVE.beatMs)
    fixture.clock.pass(LIVE.beatMs)
    await asked.promise
    fixture.clock.pass(5 * LIVE.beatMs)
    stop.abort()
    await lending
    expect((await hand.rest()).map(({ kind }) => kind)).not.toContain('alive')
  })
})
