/** A lender that takes connections and says nothing, over real libp2p. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTcpProxy } from '../chaos/tcp-proxy.ts'
import { createTown, question, type Town, toyEngine } from './town.fixture.ts'

const CONNECT_MS = 700

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

describe('a lender that cannot be reached', () => {
  it('default: is given up after the deadline for that, and left alone, before anything leaves for it', async () => {
    const alone = { engine: toyEngine(), chain: undefined }
    const { lending } = await town.lender({ payment: null, device: alone })
    const [address = ''] = lending.addresses()
    const [, port = ''] = /\/tcp\/(\d+)/.exec(address) ?? []
    await using wire = await startTcpProxy(Number(port))
    const borrower = await town.inhabitant({ ...alone, deadlines: { connectMs: CONNECT_MS } })
    await borrower.device.peers.ask(address.replace(`/tcp/${port}`, `/tcp/${wire.port}`))
    // Of its addresses the one on the wire alone: the lender says the other itself.
    for (const [key] of await borrower.device.tables.peers.list()) {
      await borrower.device.tables.peers.update(
        key,
        (old) => old && { ...old, addresses: old.addresses.slice(0, 1) },
      )
    }
    wire.cut()
    const device = await borrower.restart()
    await device.model('acorn')
    const breaks: string[] = []
    const startedMs = performance.now()
    const answer = await device.complete({
      ...question({ messages: [{ role: 'user', content: 'Hello' }], maxTokens: 5 }),
      onBreak: ({ reason }) => void breaks.push(reason),
    })
    const tookMs = performance.now() - startedMs
    expect(answer.parts.map(({ where }) => where)).toEqual(['here'])
    expect(breaks).toHaveLength(1)
    expect(tookMs).toBeGreaterThanOrEqual(CONNECT_MS - 50)
    expect(tookMs).toBeLessThan(2 * CONNECT_MS)
    expect(await device.egress.entries()).toEqual([])
    const [quarantine] = await device.tables.quarantine.list()
    expect(Object.keys(quarantine?.[1] ?? {})).toEqual(breaks)
  })
})
