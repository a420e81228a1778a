import { toHex } from '@freehold/core/bytes'
import type { AnswerBreak } from '@freehold/core/device/answer-parts'
import type { Completion } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { Engine } from '@freehold/core/engine/engine'
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  befriend,
  createTown,
  question,
  rawPrice,
  roundUp,
  type Town,
  toyEngine,
} from './town.fixture.ts'

let town: Town

beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

/** An engine that stands still after so many tokens, and answers no ping then. */
function wedgedEngine(after: number): Engine {
  const never = new Promise<void>(() => {})
  let steps = 0
  const beforeStep = () => (++steps > after ? never : undefined)
  return {
    load: async () => ({
      ...createToyModel({ beforeStep }),
      ping: () => (steps > after ? never : Promise.resolve()),
    }),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** Two lenders, of whom the one that is asked first lives and says no word. */
function lendTwins() {
  const never = new Promise<void>(() => {})
  let dumb: number | null = null
  const engineOf = (self: number) =>
    toyEngine({
      beforeStep: () => {
        dumb ??= self
        return dumb === self ? never : undefined
      },
    })
  return Promise.all([1, 2].map((self) => town.lender({ device: { engine: engineOf(self) } })))
}

/** The question's prompt has 26 tokens. */
const PROMPT = 26

async function borrower(
  changes: { hedgeMs?: number } = {},
): Promise<{ device: Device; breaks: AnswerBreak[]; texts: string[] }> {
  const deadlines = { silenceMs: 4_000, ...changes }
  const { device } = await town.inhabitant({ engine: toyEngine(), deadlines })
  return { device, breaks: [], texts: [] }
}

/** What is signed on the channels is what each part costs by itself, and the parts are all tokens. */
async function expectOnce(device: Device, { parts, ids, text, model }: Completion): Promise<void> {
  let count = 0
  for (const part of parts) {
    expect(part.continues).toBe(count)
    count += part.tokens
    if (part.receipt === null) continue
    const record = (await device.tables.answers.get(part.receipt))!
    expect(record.promptTokens).toBe(PROMPT + part.continues)
    expect(record.evidence?.terms.request.promptIds.slice(PROMPT)).toEqual(
      ids.slice(0, part.continues),
    )
    expect(record.evidence?.ids).toEqual(ids.slice(part.continues, count))
    const [, channel] = (await device.tables.channels.list()).find(
      ([id]) => id === record.channelId,
    )!
    expect(channel.cumulative).toBe(roundUp(rawPrice(record)))
  }
  expect(count).toBe(ids.length)
  expect(text).toBe(await createToyModel().detokenize(ids))
  expect(model.name).toBe('toy')
}

describe('an answer whose lender breaks off', () => {
  it('default: goes on with the next lender from the tokens received, and nothing is charged twice', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 21) } })
    const { device, breaks, texts } = await borrower()
    const { known } = await befriend(device, wedged.lending)
    // The second is not known before the first has answered, so that it is the first that is asked.
    const second = await town.lender({ device: { engine: toyEngine() } })
    let _meeting: Promise<unknown> | undefined
    const completion = await device.complete(
      question({
        maxTokens: 60,
        onText: (text) => {
          texts.push(text)
          _meeting ??= befriend(device, second.lending)
        },
        onBreak: (broken) => breaks.push(broken),
      }),
    )
    expect(completion).toMatchObject({ error: null, finish: 'length' })
    expect(completion.ids).toHaveLength(60)
    expect(texts.join('')).toBe(completion.text)
    expect(breaks).toMatchObject([{ lender: toHex(known.lender), reason: 'stall', tokens: 22 }])
    expect(completion.parts).toMatchObject([
      { where: 'peer', end: 'stall', tokens: 22, continues: 0 },
      { where: 'peer', end: 'receipt', tokens: 38, continues: 22 },
    ])
    expect(completion.parts[1]?.lender).not.toBe(completion.parts[0]?.lender)
    const [one, other] = await Promise.all(
      completion.parts.map(({ receipt }) => device.tables.answers.get(receipt!)),
    )
    expect(other?.evidence?.n).not.toEqual(one?.evidence?.n)
    await completion.settled
    await device.borrowing.idle()
    await expectOnce(device, completion)
    // Whoever failed is left alone; the other one is asked at once.
    const next = await device.complete(question({ maxTokens: 4 }))
    expect(next.parts).toMatchObject([{ lender: completion.parts[1]?.lender, end: 'receipt' }])
    await next.settled
  })

  it('default: goes on here when nobody else lends the model', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 5) } })
    const { device, breaks } = await borrower()
    await befriend(device, wedged.lending)
    const completion = await device.complete(
      question({ maxTokens: 30, onBreak: (broken) => breaks.push(broken) }),
    )
    expect(completion).toMatchObject({ error: null, finish: 'length' })
    expect(breaks).toHaveLength(1)
    expect(completion.parts).toMatchObject([
      { where: 'peer', end: 'stall', tokens: 6 },
      { where: 'here', end: 'here', tokens: 24, continues: 6, priceUnits: 0n },
    ])
    await completion.settled
    await device.borrowing.idle()
    await expectOnce(device, completion)
  })

  it('behaviour: stays within the ceiling of the whole request', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 21) } })
    const second = await town.lender({ device: { engine: toyEngine() } })
    const { device } = await borrower()
    await befriend(device, wedged.lending)
    let _meeting: Promise<unknown> | undefined
    const most = roundUp(rawPrice({ promptTokens: PROMPT, tokens: 60 }))
    const completion = await device.complete(
      question({
        maxTokens: 60,
        maxPrice: most,
        onText: () => {
          _meeting ??= befriend(device, second.lending)
        },
      }),
    )
    // What it reads again makes the second one too dear: the rest is written here.
    expect(completion.parts.map(({ where }) => where)).toEqual(['peer', 'here'])
    expect(completion.error).toBeNull()
    await completion.settled
  })

  it('behaviour: asks one more when who goes on says nothing, and pays who spoke', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 21) } })
    const { device, breaks, texts } = await borrower({ hedgeMs: 200 })
    const first = await befriend(device, wedged.lending)
    const twins = await lendTwins()
    let _meeting: Promise<unknown> | undefined
    const completion = await device.complete(
      question({
        maxTokens: 60,
        onText: (text) => {
          texts.push(text)
          _meeting ??= Promise.all(twins.map(({ lending }) => befriend(device, lending)))
        },
        onBreak: (broken) => breaks.push(broken),
      }),
    )
    expect(completion).toMatchObject({ error: null, finish: 'length' })
    expect(texts.join('')).toBe(completion.text)
    expect(breaks).toMatchObject([{ lender: toHex(first.known.lender), reason: 'stall' }])
    expect(completion.parts).toMatchObject([
      { where: 'peer', end: 'stall', tokens: 22, continues: 0 },
      { where: 'peer', end: 'cancelled', tokens: 0, continues: 22, priceUnits: 0n },
      { where: 'peer', end: 'receipt', tokens: 38, continues: 22 },
    ])
    const asked = completion.parts.map(({ lender }) => lender)
    expect(new Set(asked).size).toBe(3)
    await completion.settled
    await device.borrowing.idle()
    const paid = (await device.tables.channels.list()).map(([, { peer, cumulative }]) => ({
      peer,
      cumulative,
    }))
    const [stalled, , whole] = await Promise.all(
      completion.parts.map(({ receipt }) => device.tables.answers.get(receipt!)),
    )
    const due = [roundUp(rawPrice(stalled!)), 0n, roundUp(rawPrice(whole!))]
    for (const [i, peer] of asked.entries()) {
      expect(paid).toContainEqual({ peer, cumulative: due[i] })
    }
    // All three were shown the prompt, and the log says so.
    const shown = (await device.tables.egress.list()).map(([, { to }]) => to)
    expect([...new Set(shown)]).toEqual(asked)
  })

  it('behaviour: asks nobody more where the ceiling of the request does not reach for two', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 21) } })
    const { device, breaks } = await borrower({ hedgeMs: 200 })
    await befriend(device, wedged.lending)
    const twins = await lendTwins()
    let _meeting: Promise<unknown> | undefined
    // All of the answer, and what one of them reads again.
    const most =
      rawPrice({ promptTokens: PROMPT, tokens: 60 }) + rawPrice({ promptTokens: 60, tokens: 0 })
    const completion = await device.complete(
      question({
        maxTokens: 60,
        maxPrice: roundUp(most),
        onText: () => {
          _meeting ??= Promise.all(twins.map(({ lending }) => befriend(device, lending)))
        },
        onBreak: (broken) => breaks.push(broken),
      }),
    )
    expect(breaks).toHaveLength(1)
    expect(completion.error).toBeNull()
    expect(completion.parts).toMatchObject([
      { where: 'peer', end: 'stall' },
      { where: 'peer', end: 'cancelled', tokens: 0 },
      { where: 'here', end: 'here' },
    ])
    await completion.settled
  })

  it('behaviour: writes it here when who goes on says nothing and nobody else lends the model', async () => {
    const never = new Promise<void>(() => {})
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 5) } })
    const dumb = await town.lender({ device: { engine: toyEngine({ beforeStep: () => never }) } })
    const { device } = await borrower({ hedgeMs: 200 })
    await befriend(device, wedged.lending)
    let _meeting: Promise<unknown> | undefined
    const completion = await device.complete(
      question({
        maxTokens: 30,
        onText: () => {
          _meeting ??= befriend(device, dumb.lending)
        },
      }),
    )
    expect(completion).toMatchObject({ error: null, finish: 'length' })
    expect(completion.parts).toMatchObject([
      { where: 'peer', end: 'stall', tokens: 6 },
      { where: 'peer', end: 'cancelled', tokens: 0, continues: 6, priceUnits: 0n },
      { where: 'here', end: 'here', tokens: 24, continues: 6, priceUnits: 0n },
    ])
    expect(completion.text).toBe(await createToyModel().detokenize(completion.ids))
    await completion.settled
  })

  it('behaviour: ends with its error when one lender was asked for by name', async () => {
    const wedged = await town.lender({ device: { engine: wedgedEngine(PROMPT + 5) } })
    const { device } = await borrower()
    const { known } = await befriend(device, wedged.lending)
    const asked = question({ maxTokens: 30, lender: toHex(known.lender) })
    const completion = await device.complete(asked)
    expect(completion.error).toMatchObject({ reason: 'stall' })
    expect(completion.parts).toHaveLength(1)
    await completion.settled
  })
})
