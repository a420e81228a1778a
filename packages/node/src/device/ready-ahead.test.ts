/** Lenders that are ready before a question is there, over real libp2p. */
import type { Device } from '@freehold/core/device/device'
import type { LendInit } from '@freehold/core/device/lending'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Mesh } from '@freehold/core/mesh/mesh'
import { ANSWER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTcpProxy } from '../chaos/tcp-proxy.ts'
import { until } from './neighbourhood.fixture.ts'
import type { OpenDeviceInit } from './open-device.ts'
import { createTown, question, type Town, toyEngine } from './town.fixture.ts'

const LONG_MS = 60_000

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

/** A lender that asks for nothing, and a borrower of it that holds a conversation. */
async function pair(init: Partial<LendInit> = {}, changes: Partial<OpenDeviceInit> = {}) {
  const alone = { engine: toyEngine(), chain: undefined }
  const lender = await town.lender({ payment: null, device: alone, ...init })
  const events: string[] = []
  let streams = 0
  const changeMesh = (mesh: Mesh): Mesh => ({
    ...mesh,
    open: (address, protocol, opening) => {
      if (protocol === ANSWER_PROTOCOL) streams++
      return mesh.open(address, protocol, opening)
    },
  })
  const [address = ''] = lender.lending.addresses()
  /** @param more.isAlone it was not told of the lender yet */
  const borrower = async ({
    isAlone = false,
    ...more
  }: Partial<OpenDeviceInit> & { isAlone?: boolean } = {}) => {
    const log = (event: string) => void events.push(event)
    const said = { ...alone, changeMesh, readyAhead: true, log, ...changes, ...more }
    const { device } = await town.inhabitant(said)
    if (!isAlone) await device.peers.ask(address)
    return device
  }
  const lent = async () => (await lender.device.tables.lent.list()).length
  return { lender, borrower, lent, events, streams: () => streams }
}

const departures = ({ egress }: Device) => egress.entries()

const ask = question({ messages: [{ role: 'user', content: 'Hello' }], maxTokens: 5 })

describe('a lender that is ready ahead', { timeout: LONG_MS }, () => {
  it('default: the next question goes over a stream that waits for it, and each is a record of its own', async () => {
    const { borrower, lent, streams } = await pair()
    const device = await borrower()
    for (let i = 1; i <= 3; i++) {
      const answer = await device.complete(ask)
      expect([answer.error, answer.ids.length]).toEqual([null, 5])
      // One for this answer, and one that is ready for the next.
      expect(streams()).toBe(i + 1)
      expect(await departures(device)).toHaveLength(i)
    }
    await device.borrowing.idle()
    await until(async () => (await lent()) === 3)
    const receipts = (await device.tables.answers.list()).map(([id]) => id)
    expect(new Set(receipts).size).toBe(3)
  })

  it('behaviour: who asks only once asks nobody to be ready', async () => {
    const { borrower, streams } = await pair()
    const device = await borrower({ readyAhead: false })
    await device.complete(ask)
    expect(streams()).toBe(1)
    await device.borrowing.idle()
  })

  it('behaviour: another scope is asked for anew, and what waited is let go', async () => {
    const { borrower, lender, streams } = await pair()
    const device = await borrower({ friends: [peerName(lender.device.identity!.device)] })
    await device.complete(ask)
    await device.borrowing.idle()
    expect(streams()).toBe(2)
    expect((await device.complete({ ...ask, scope: 'friends' })).error).toBe(null)
    expect(streams()).toBe(4)
    await device.borrowing.idle()
    const scopes = (await departures(device)).map(({ scope }) => scope)
    expect(scopes).toEqual(['market', 'friends'])
  })

  it('behaviour: somebody else who wants the only place gets it, and the next answer comes all the same', async () => {
    const { borrower, events } = await pair({ parallel: 1, maxQueue: 4 })
    const [first, second] = [await borrower(), await borrower({ readyAhead: false })]
    await first.complete(ask)
    expect((await second.complete(ask)).error).toBe(null)
    await until(async () => events.includes('ahead.ended'))
    expect((await first.complete(ask)).error).toBe(null)
    for (const device of [first, second]) await device.borrowing.idle()
  })

  it('behaviour: one that falls silent when the question is there is given up once, and not asked again', async () => {
    const silenceMs = 1_200
    const { lender, borrower } = await pair()
    const [address = ''] = lender.lending.addresses()
    const [, port = ''] = /\/tcp\/(\d+)/.exec(address) ?? []
    await using wire = await startTcpProxy(Number(port))
    const device = await borrower({ deadlines: { silenceMs }, isAlone: true })
    await device.peers.ask(address.replace(`/tcp/${port}`, `/tcp/${wire.port}`))
    await device.complete(ask)
    await device.borrowing.idle()
    wire.cut()
    const breaks: string[] = []
    const startedMs = performance.now()
    await device.complete({ ...ask, onBreak: ({ reason }) => void breaks.push(reason) })
    expect(breaks).toEqual(['deadline'])
    expect(performance.now() - startedMs).toBeLessThan(1.7 * silenceMs)
  })

  it('behaviour: a lender that was ready and is gone is noticed before anything leaves for it', async () => {
    const { borrower, lender, events } = await pair()
    const device = await borrower()
    await device.complete(ask)
    await device.borrowing.idle()
    await lender[Symbol.asyncDispose]()
    await until(async () => events.includes('ahead.ended'))
    const { parts } = await device.complete(ask)
    expect(parts.map(({ where }) => where)).toEqual(['here'])
    expect(await departures(device)).toHaveLength(1)
  })
})
