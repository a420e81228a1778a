/** A page borrows from a device on Node: two platforms, one protocol, one contract. */
import { EARLY_STOP } from '@freehold/core/audit/verdict'
import { toHex } from '@freehold/core/bytes'
import type { CompletionInit } from '@freehold/core/device/completions'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { checkEvidence } from '@freehold/core/lending/evidence'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownDiceEngine } from '../packages/node/src/demo/cheats.ts'
import {
  createTown,
  DEPOSIT,
  question,
  rawPrice,
  roundUp,
  type Town,
  WEB_SOCKETS,
} from '../packages/node/src/device/town.fixture.ts'
import { createLlamaEngine } from '../packages/node/src/engine/llama-engine.ts'
import { BUNDLED } from '../packages/node/src/models/acorn.ts'
import type { DevicePage, PageAnswer } from '../packages/web/src/device/device-page.fixture.ts'
import { callerOf, type PageCall } from '../packages/web/src/testing/call-page.fixture.ts'
import { openTestPage, type TestPage } from '../packages/web/src/testing/test-page.fixture.ts'

/** For a machine that does much else at the same time. */
const TEST_MS = 300_000
/** Stories are long, but each may end early: asked until one is long enough to say something. */
const LEAST_TOKENS = 128
const MOST_QUESTIONS = 8

let town: Town
let lender: Awaited<ReturnType<Town['lender']>>
let test: TestPage
let call: PageCall<DevicePage>
let phrase: string

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender({ device: { listen: [WEB_SOCKETS] } })
  test = await openTestPage({
    entry: new URL('../packages/web/src/device/open-device.page.ts', import.meta.url),
    files: { '/acorn.gguf': BUNDLED.acorn ?? '' },
  })
  call = callerOf(test.page)
  phrase = createPhrase(systemRandom)
  const { wallet } = await deriveIdentity(phrase, 0)
  await town.chain.mint(wallet.address, 2n * DEPOSIT)
}, TEST_MS)
afterAll(async () => {
  await test?.[Symbol.asyncDispose]()
  await town?.[Symbol.asyncDispose]()
}, TEST_MS)

/** The page's own copy of the model, under a name that lenders do not know. */
const OWN = 'here'
const models = { [OWN]: '/acorn.gguf' }
const hasFetchedModel = () => test.requests.some((url) => url.endsWith('/acorn.gguf'))
const story: CompletionInit = question({ maxTokens: 200 })

describe('a device in a page', () => {
  let answer: PageAnswer
  let asked = 0n

  it('default: borrows by the header alone, checks and pays', { timeout: TEST_MS }, async () => {
    await call('open', { phrase, models, chain: town.chain.settings })
    await call('befriend', lender.lending.addresses()[0] ?? '', DEPOSIT)
    for (let i = 0; i < MOST_QUESTIONS; i++) {
      answer = await call('borrow', story)
      expect(answer.error).toBeNull()
      asked += rawPrice(answer.record!)
      if (answer.ids.length >= LEAST_TOKENS) break
    }
    expect(answer.ids.length).toBeGreaterThanOrEqual(LEAST_TOKENS)
    expect(answer.shown).toBe(answer.text)
    expect(answer.egress).toBeNull()
    // Without the model nothing was replayed yet, and nobody is left unpaid for that.
    expect(hasFetchedModel()).toBe(false)
    expect(answer.record).toMatchObject({ end: 'receipt', payment: 'paid' })
    expect(answer.record!.audit).toMatchObject({ verdict: 'pending', statistics: { positions: 0 } })
  })

  it('behaviour: its evidence convinces another device', { timeout: TEST_MS }, async () => {
    const { evidence } = answer.record!
    expect(evidence?.receipt?.body.count).toBe(answer.ids.length)
    expect(await checkEvidence(evidence!)).toBeNull()
    const ids = [...evidence!.ids]
    ids[0] = ids[0] === 0 ? 1 : 0
    expect(await checkEvidence({ ...evidence!, ids })).not.toBeNull()
  })

  it('behaviour: the lender is paid to the unit, and settles it', {
    timeout: TEST_MS,
  }, async () => {
    const due = roundUp(asked)
    const row = await lender.device.tables.channels.get(answer.channel!.id)
    expect([answer.channel!.cumulative, row!.cumulative]).toEqual([due, due])
    expect([answer.channel!.answers, row!.answers]).toEqual([{}, {}])
    const before = await lender.device.balances()
    expect(await lender.device.keeper!.settle(true)).toMatchObject({ vouchers: 1, amount: due })
    expect((await lender.device.balances()).ledger - before.ledger).toBe(due)
  })

  it('behaviour: audits in WebAssembly what another back-end wrote', {
    timeout: TEST_MS,
  }, async () => {
    const { statistics, why, llr, verdict } = await call('audit', OWN, answer.record!.id)
    expect(hasFetchedModel()).toBe(true)
    expect((await call('profile', OWN)).backend).toBe('wasm')
    expect(answer.record!.profile.backend).not.toBe('wasm')
    expect(statistics.positions).toBe(answer.ids.length)
    expect(statistics.out).toBe(0)
    expect(statistics.matches).toBeGreaterThan(0.9)
    expect(statistics.meanClippedMargin).toBeLessThan(0.02)
    expect(statistics.lpMeanDelta).toBeLessThan(0.02)
    // By the committed table of this pair of back-ends.
    expect(why).toMatch(/^log-likelihood of/)
    expect(Object.keys(llr)).toContain(EARLY_STOP)
    expect(verdict).not.toBe('fail')
  })

  it('behaviour: passes an honest lender', { timeout: TEST_MS }, async () => {
    // A story may say too little; one of several does not.
    for (let i = 0; i < MOST_QUESTIONS; i++) {
      answer = await call('borrow', { ...story, model: OWN })
      expect(answer.audit!.verdict).not.toBe('fail')
      if (answer.audit!.verdict === 'pass') break
    }
    expect(answer.audit!.verdict).toBe('pass')
    expect(answer.record).toMatchObject({ payment: 'paid', pooled: 'pass' })
  })

  it('behaviour: judges what is on its disk in the same way', { timeout: TEST_MS }, async () => {
    const { verdict, llr, statistics } = answer.audit!
    await call('open', { phrase, models, chain: town.chain.settings })
    const audit = await call('audit', OWN, answer.record!.id)
    expect(audit).toMatchObject({ verdict, llr, statistics })
  })

  it('behaviour: a lender that throws its own dice is caught', { timeout: TEST_MS }, async () => {
    const engine = ownDiceEngine(createLlamaEngine(), Math.random)
    const cheat = await town.lender({ device: { listen: [WEB_SOCKETS], engine } })
    await call('befriend', cheat.lending.addresses()[0] ?? '', DEPOSIT)
    // With the model at hand the audit is part of the answer.
    const asking = { ...story, model: OWN, lender: toHex(cheat.device.identity!.device) }
    for (let i = 0; i < MOST_QUESTIONS; i++) {
      answer = await call('borrow', asking)
      if (answer.record!.payment === 'withheld') break
    }
    expect(answer.record).toMatchObject({ payment: 'withheld', pooled: 'fail' })
    const row = await cheat.device.tables.channels.get(answer.channel!.id)
    expect(answer.channel!.cumulative).toBe(row!.cumulative)
    await expect(call('borrow', asking)).rejects.toThrow(/failed audits/)
  })

  it('behaviour: asks nobody but this machine, and complains of nothing', () => {
    const hosts = test.requests
      .filter((url) => !/^(blob|data):/.test(url))
      .map((url) => new URL(url).hostname)
    expect(new Set(hosts)).toEqual(new Set(['127.0.0.1']))
    expect(test.requests.some((url) => url.startsWith('ws://'))).toBe(true)
    expect(test.complaints).toEqual([])
  })
})
