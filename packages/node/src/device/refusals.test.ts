import { fromHex, toHex } from '@freehold/core/bytes'
import { answerPayer, openAnswerPayer } from '@freehold/core/clearing/payer'
import type { Device } from '@freehold/core/device/device'
import type { LentRecord } from '@freehold/core/device/records'
import { templateHash } from '@freehold/core/device/template-hash'
import { TOY_INFO } from '@freehold/core/engine/toy-model.fixture'
import { deriveIdentity } from '@freehold/core/identity/identity'
import type { BorrowInit } from '@freehold/core/lending/borrow-terms'
import { borrowAnswer, greetLender } from '@freehold/core/lending/borrower'
import { DEFAULT_DEADLINES } from '@freehold/core/lending/deadlines'
import type { FrameDuplex } from '@freehold/core/lending/duplex'
import { framesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { ANSWER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { offerHash } from '@freehold/core/wire/offer'
import { tcp } from '@libp2p/tcp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startRpcProxy } from '../chain/rpc-proxy.fixture.ts'
import {
  befriend,
  createTown,
  question,
  rawPrice,
  roundUp,
  TCP,
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

const toy = () => ({ engine: toyEngine() })
const channelsOf = async (device: Device) =>
  (await device.tables.channels.list()).map(([, record]) => record)

/** A lender and a borrower with a channel; no device here runs a real model. */
async function couple(init: Parameters<Town['lender']>[0] = {}) {
  const ended: LentRecord[] = []
  const waiting: (() => void)[] = []
  const lender = await town.lender({
    onAnswer: (answer) => {
      ended.push(answer)
      waiting.shift()?.()
    },
    ...init,
    device: { ...toy(), ...init.device },
  })
  const borrower = await town.inhabitant(toy())
  const { known, channel } = await befriend(borrower.device, lender.lending)
  const untilEnded = async () => {
    if (ended.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    return ended.shift()!
  }
  return { lender, borrower, known, channel, untilEnded }
}

/** Borrows as a program could that keeps to the protocol but leaves out what it likes. */
async function borrowByHand(
  { phrase, device }: { phrase: string; device: Device },
  { known, channel }: Pick<Awaited<ReturnType<typeof couple>>, 'known' | 'channel'>,
  init: {
    maxTokens?: number
    carry?: (duplex: FrameDuplex) => FrameDuplex
    /** Comes between the lender's word that it is ready and the request. */
    meanwhile?: () => Promise<void>
  } = {},
) {
  const identity = await deriveIdentity(phrase, 0)
  const reqId = systemRandom(16)
  const { payment, models } = known.offer
  const promptIds = [1, 2, 3]
  const { maxTokens = 12, carry = (duplex) => duplex } = init
  const { stream, mesh } = await dial(phrase, known.address, ANSWER_PROTOCOL)
  const terms: BorrowInit = {
    lender: known.lender,
    open: {
      offerHash: offerHash(known.offer),
      modelId: models[0]!.modelId,
      reqId,
      channelId: fromHex(channel.id.slice(2)),
      scope: 'market',
    },
    request: {
      promptIds,
      templateHash: templateHash(''),
      sampler: { id: 'gumbel-sha256/1', temperatureMilli: 1_000 },
      maxTokens,
      stopIds: [],
    },
    vocabSize: TOY_INFO.vocabSize,
    endIds: TOY_INFO.endIds,
    profile: TOY_INFO.profile,
    payment: {
      windowTokens: payment!.windowTokens,
      holdBackMs: payment!.holdBackMs,
      openPayer: () =>
        openAnswerPayer(device.tables.channels, identity.voucherSigner, channel.id, {
          ...{ reqId, prices: payment!.prices, promptTokens: promptIds.length, maxTokens },
          startedAtMs: Date.now(),
        }),
    },
    deadlines: DEFAULT_DEADLINES,
  }
  const components = { clock: systemClock, random: systemRandom, log: () => {} }
  const ready = await greetLender(carry(framesOver(stream)), terms, components)
  await init.meanwhile?.()
  const borrowed = await borrowAnswer(ready, terms, components)
  return { borrowed, reqId, identity, mesh }
}

async function dial(phrase: string, address: string, protocol: string) {
  const identity = await deriveIdentity(phrase, 0)
  const mesh = await createMesh({ identity, listen: [] }, { transports: [tcp()], log: () => {} })
  return { mesh, ...(await mesh.open(address, protocol)) }
}

describe('scope', () => {
  it('default: another device of the same owner answers for nothing', async () => {
    const lender = await town.lender({ payment: null, device: { ...toy(), chain: undefined } })
    const { phrase } = lender
    const own = await town.inhabitant({ ...toy(), phrase, deviceIndex: 1, chain: undefined })
    const known = await own.device.peers.ask(lender.lending.addresses()[0]!)
    expect(known.rung).toBe('own')
    const completion = await own.device.complete(question({ scope: 'own' }))
    expect(completion).toMatchObject({ error: null, record: { payment: 'free' } })
    await completion.settled
    expect((await own.device.egress.entries()).map(({ scope, to }) => [scope, to])).toEqual([
      ['own', toHex(known.lender)],
    ])
  })

  it('behaviour: nothing leaves the device under scope device', async () => {
    const { borrower, lender } = await couple()
    const here = await borrower.device.complete(question({ scope: 'device', via: 'auto' }))
    expect(here.route.where).toBe('here')
    const asked = borrower.device.complete(question({ scope: 'device' }))
    await expect(asked).rejects.toMatchObject({ name: 'ScopeError' })
    expect(await borrower.device.egress.entries()).toEqual([])
    expect(await lender.device.tables.lent.list()).toEqual([])
  })

  it('behaviour: a lender of the market is not asked under scope own', async () => {
    const { borrower, lender } = await couple()
    for (const scope of ['own', 'friends'] as const) {
      const asked = borrower.device.complete(question({ scope }))
      await expect(asked).rejects.toMatchObject({ reason: 'standing' })
    }
    expect(await borrower.device.egress.entries()).toEqual([])
    expect(await lender.device.tables.lent.list()).toEqual([])
  })
})

describe('a lender that is ready', () => {
  it.each([
    ['soon', 0, 'receipt'],
    ['late', 5_000, 'payment'],
  ] as const)(
    'behaviour: looks again at the channel of a request that comes %s',
    async (_, laterMs, end) => {
      let aheadMs = 0
      const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
      const { lender, borrower, known, channel } = await couple({ device: { clock } })
      const meanwhile = async () => {
        aheadMs = laterMs
        const { channels } = lender.device.tables
        if (laterMs > 0)
          await channels.update(channel.id, (old) => old && { ...old, status: 'exiting' })
      }
      const { borrowed, mesh } = await borrowByHand(borrower, { known, channel }, { meanwhile })
      expect([borrowed.end, borrowed.isRefusedLate]).toEqual([end, end !== 'receipt'])
      expect(borrowed.evidence === null).toBe(end !== 'receipt')
      await borrowed.conclude('pass')
      await mesh[Symbol.asyncDispose]()
    },
  )
})

describe('two processes of one device', () => {
  it('default: both borrow at once over one channel, right to the unit', async () => {
    const { borrower, lender } = await couple()
    const twin = await town.inhabitant({ ...toy(), phrase: borrower.phrase, home: borrower.home })
    const all = await Promise.all(
      [borrower, twin, borrower, twin].map(({ device }, i) =>
        device.complete(question({ maxTokens: 10 + 9 * i })),
      ),
    )
    for (const { error } of all) expect(error).toBeNull()
    await Promise.all(all.map(({ settled }) => settled))
    const due = roundUp(all.reduce((sum, { record }) => sum + rawPrice(record!), 0n))
    for (const { device } of [borrower, lender]) {
      const [record] = await channelsOf(device)
      expect(record).toMatchObject({ cumulative: due, answers: {} })
    }
    expect(await borrower.device.egress.verify()).toBeNull()
    expect(await borrower.device.egress.entries()).toHaveLength(4)
  })
})

describe('payment', () => {
  it('behaviour: who keeps a hold-back gets no more, until it is paid', async () => {
    const payment = termsOn(town.chain.settings, { holdBackMs: 2_000 })
    const pair = await couple({ payment, forgivenExposures: 0 })
    const { borrower, lender, channel, untilEnded } = pair
    const twin = await town.inhabitant({
      ...toy(),
      phrase: borrower.phrase,
      home: borrower.home,
    })
    const { mesh, reqId, identity, borrowed } = await borrowByHand(twin, pair)
    expect(borrowed).toMatchObject({ end: 'receipt', heldTokens: 4 })
    expect(await untilEnded()).toMatchObject({ isUnpaid: true, verdict: null })
    await mesh[Symbol.asyncDispose]()
    const { device } = borrower
    await expect(device.complete(question())).rejects.toMatchObject({ reason: 'standing' })
    expect((await channelsOf(lender.device))[0]!.answers[toHex(reqId)]?.state).toBe('unpaid')

    const payer = answerPayer(
      device.tables.channels,
      identity.voucherSigner,
      channel.id,
      toHex(reqId),
    )
    await payer.release(borrowed.evidence!.signed!.runningHash)
    expect((await channelsOf(device))[0]!.undelivered).toHaveProperty(toHex(reqId))
    const completion = await device.complete(question())
    expect(completion.error).toBeNull()
    await completion.settled
    expect((await channelsOf(lender.device))[0]!.answers).toEqual({})
    expect((await channelsOf(device))[0]!.undelivered).toEqual({})
  })

  it('behaviour: a signature that was lost with the connection is not held against anybody', async () => {
    const pair = await couple()
    const { borrower, lender, known, untilEnded } = pair
    let signatures = 0
    const { mesh, borrowed } = await borrowByHand(borrower, pair, {
      maxTokens: 40,
      carry: (duplex) => ({
        ...duplex,
        receive: async () => {
          const frame = await duplex.receive()
          if (frame?.kind !== 'signed' || ++signatures < 2) return frame
          duplex.abort(new Error('gone'))
          return null
        },
      }),
    })
    expect(borrowed).toMatchObject({ end: 'lost', evidence: { signed: { count: 16 } } })
    expect(await untilEnded()).toMatchObject({ end: 'lost', isUnpaid: true })
    await mesh[Symbol.asyncDispose]()
    await borrowed.conclude('pending')
    expect(await borrower.device.channels.deliver(known)).toBe(1)
    const [payee] = await channelsOf(lender.device)
    expect(payee).toMatchObject({ answers: {}, cumulative: 17n })
    expect((await borrower.device.complete(question())).error).toBeNull()
  })

  it('behaviour: a channel with too much unsettled serves no more', async () => {
    const { borrower } = await couple({ maxUnsettled: 10n })
    await (await borrower.device.complete(question())).settled
    const next = borrower.device.complete(question())
    await expect(next).rejects.toMatchObject({
      reason: 'payment',
      why: expect.stringMatching(/unsettled/),
    })
  })

  it('behaviour: a lender that cannot see the chain for long serves no more', async () => {
    await using node = await startRpcProxy(town.chain.settings.rpc)
    const { borrower, lender } = await couple({
      device: { chain: { ...town.chain.settings, rpc: node.url } },
    })
    const { id } = (await channelsOf(lender.device))[0]!
    const forget = () =>
      lender.device.tables.channels.update(
        id,
        (old) => old && { ...old, seenAtMs: Date.now() - (old.config.delay * 1_000) / 4 },
      )
    await forget()
    node.mood = { kind: 'broken' }
    const asked = borrower.device.complete(question())
    await expect(asked).rejects.toMatchObject({
      reason: 'payment',
      why: expect.stringMatching(/chain was not seen/),
    })
    node.mood = { kind: 'well' }
    await lender.device.keeper!.refresh()
    expect((await borrower.device.complete(question())).error).toBeNull()
    // Its borrower shows it the channel again, and it looks.
    await forget()
    expect((await borrower.device.complete(question())).error).toBeNull()
  })

  it('behaviour: who finds no place hears so before its prompt leaves, and is served later', async () => {
    const never = Promise.withResolvers<void>()
    const { borrower, lender } = await couple({
      parallel: 2,
      maxQueue: 0,
      device: { engine: toyEngine({ beforeStep: (n) => (n > 40 ? never.promise : undefined) }) },
    })
    const stop = new AbortController()
    const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const running = begun.map(({ resolve }) =>
      borrower.device.complete(
        question({ maxTokens: 100, signal: stop.signal, onText: () => resolve() }),
      ),
    )
    await Promise.all(begun.map(({ promise }) => promise))
    const other = await town.inhabitant(toy())
    await befriend(other.device, lender.lending)
    await expect(other.device.complete(question())).rejects.toMatchObject({ reason: 'busy' })
    expect(await other.device.egress.entries()).toEqual([])
    // The first borrower's own third request waits for one of its two.
    const third = borrower.device.complete(question({ maxTokens: 8 }))
    stop.abort()
    for (const completion of await Promise.all(running)) {
      expect(completion.error).toMatchObject({ reason: 'cancelled' })
      await completion.settled
    }
    expect((await third).error).toBeNull()
    never.resolve()
    expect((await other.device.complete(question())).error).toBeNull()
  })

  it('behaviour: another device at a known address gets no prompt', async () => {
    const { borrower, lender } = await couple()
    const address = lender.lending.addresses()[0]!.replace(/\/p2p\/.*/, '')
    const port = /tcp\/(\d+)/.exec(address)?.[1]
    await borrower.device.peers.ask(address)
    await lender.device[Symbol.asyncDispose]()
    const listen = [TCP.replace('/0', `/${port}`)]
    const other = await town.lender({ device: { ...toy(), listen } })
    const named = toHex(lender.device.identity!.device)
    const asked = borrower.device.complete(question({ lender: named }))
    await expect(asked).rejects.toMatchObject({
      reason: 'lost',
      message: expect.stringMatching(/another device/),
    })
    expect(await other.device.tables.lent.list()).toEqual([])
    for (const record of await channelsOf(borrower.device)) expect(record.answers).toEqual({})
  })
})
