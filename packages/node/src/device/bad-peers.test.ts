import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import {
  ANSWER_PROTOCOL,
  AUDIT_PROTOCOL,
  CHANNEL_PROTOCOL,
  HEADER_PROTOCOL,
  OFFER_PROTOCOL,
  SET_OFF_PROTOCOL,
} from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import { tcp } from '@libp2p/tcp'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { befriend, createTown, question, type Town, toyEngine } from './town.fixture.ts'

/** Streams that a rogue opens at once, and those of one protocol that a connection may have. */
const TRIED = 60
const ALLOWED = 16

type Couple = Awaited<ReturnType<typeof settle>>

let town: Town
let couple: Couple
const rejections: unknown[] = []
const note = (error: unknown) => rejections.push(error)

async function settle() {
  const lender = await town.lender({ device: { engine: toyEngine() } })
  const { device } = await town.inhabitant({ engine: toyEngine() })
  await befriend(device, lender.lending)
  return { lender, borrower: device, address: lender.lending.addresses()[0]! }
}

beforeAll(async () => {
  process.on('unhandledRejection', note)
  town = await createTown()
  couple = await settle()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
  process.off('unhandledRejection', note)
})

/** The next honest borrower is served as if nothing had been, and nothing was left unhandled. */
afterEach(async () => {
  const offer = await couple.borrower.peers.ask(couple.address)
  expect(offer.offer.models).toHaveLength(1)
  const completion = await couple.borrower.complete(question({ maxTokens: 8 }))
  expect(completion.error).toBeNull()
  await completion.settled
  expect(rejections).toEqual([])
})

/** A node that keeps to nothing. */
async function createRogue(): Promise<Mesh> {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const init = { identity, listen: [], maxStreams: TRIED }
  return createMesh(init, { transports: [tcp()], log: () => {} })
}

/** Of one network address so many connections are taken within a second: who comes then comes again. */
const reach = (mesh: Mesh, protocol: string) =>
  vi.waitFor(() => mesh.open(couple.address, protocol), { timeout: 20_000, interval: 200 })

/** Everything that the other side says until it closes or cuts the stream. */
async function untilEnd(stream: Awaited<ReturnType<Mesh['open']>>['stream']): Promise<number> {
  let bytes = 0
  try {
    for await (const part of stream) bytes += part.byteLength
  } catch {}
  return bytes
}

const PROTOCOLS = [
  OFFER_PROTOCOL,
  CHANNEL_PROTOCOL,
  ANSWER_PROTOCOL,
  HEADER_PROTOCOL,
  AUDIT_PROTOCOL,
  SET_OFF_PROTOCOL,
]

describe.each(PROTOCOLS)('a rogue on %s', (protocol) => {
  // One for all: few connections a second are taken from one host.
  let rogue: Mesh
  beforeAll(async () => {
    rogue = await createRogue()
  })
  afterAll(async () => {
    await rogue[Symbol.asyncDispose]()
  })

  it.each([
    ['garbage', systemRandom(64)],
    ['a length without an end', new Uint8Array(64).fill(0xff)],
    ['an oversize length', Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 1, 2, 3)],
    ['a length and nothing of it', Uint8Array.of(0x40)],
    ['an empty message', Uint8Array.of(0)],
  ])('behaviour: that sends %s is let go', async (_, bytes) => {
    const { stream } = await reach(rogue, protocol)
    const ended = untilEnd(stream)
    if (stream.writeStatus === 'writable') stream.send(bytes)
    await stream.close()
    await ended
  })

  it('behaviour: that never reads and hangs up is let go', async () => {
    await using rogue = await createRogue()
    const { stream } = await reach(rogue, protocol)
    stream.pause()
  })

  it('behaviour: that opens more streams than allowed gets no more of them', async () => {
    await using rogue = await createRogue()
    let refused = 0
    const allRefused = Promise.withResolvers<void>()
    const refuse = () => ++refused === TRIED - ALLOWED && allRefused.resolve()
    await reach(rogue, OFFER_PROTOCOL)
    await Promise.all(
      Array.from({ length: TRIED }, async () => {
        try {
          const { stream } = await rogue.open(couple.address, protocol)
          if (stream.status !== 'open') refuse()
          else stream.addEventListener('close', refuse, { once: true })
        } catch {
          refuse()
        }
      }),
    )
    // Streams for an offer end by themselves.
    if (protocol !== OFFER_PROTOCOL) await allRefused.promise
    // While they are open, others are served.
    const honest = await couple.borrower.complete(question({ maxTokens: 8 }))
    expect(honest.error).toBeNull()
    await honest.settled
  })
})
