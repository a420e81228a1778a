import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromHex } from '@freehold/core/bytes'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh, type Mesh } from '@freehold/core/mesh/mesh'
import { MESH_LIMITS } from '@freehold/core/mesh/mesh-limits'
import * as protocols from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import { encodeHeaderRequest } from '@freehold/core/wire/header-messages'
import { encodeWeightsRequest, MAX_WEIGHTS_REPLY_BYTES } from '@freehold/core/wire/weights-messages'
import { tcp } from '@libp2p/tcp'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Flooded, OwnersAnswer } from './flooded.fixture.ts'

const CHILD = fileURLToPath(new URL('./flooded.fixture.ts', import.meta.url))
const ALL = Object.values(protocols)
/** What a flood may make a device hold, after it collected: half of what is sent to it. */
const MOST_BYTES = 32 << 20

let home: string
let child: ChildProcess
let flooded: Flooded
let before: OwnersAnswer
let meshes: Mesh[] = []
let sockets: Socket[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'freehold-flood-'))
  child = fork(CHILD, [home], { execArgv: ['--no-warnings', '--expose-gc'] })
  ;[flooded] = await once(child, 'message')
  before = await owner()
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  for (const mesh of meshes) await mesh[Symbol.asyncDispose]()
  meshes = []
  sockets = []
})
afterAll(async () => {
  child.kill('SIGKILL')
  await once(child, 'close')
  await rm(home, { recursive: true, force: true })
})

/** The owner asks for an answer of this device's own. */
async function owner(): Promise<OwnersAnswer> {
  child.send('ask')
  const [answer] = await once(child, 'message')
  return answer
}

/** While a flood goes on the owner is answered, and what it fills is bounded. */
async function requireAnswering(): Promise<void> {
  const { text, heldBytes } = await owner()
  expect(text).not.toBe('')
  expect(heldBytes - before.heldBytes).toBeLessThan(MOST_BYTES)
}

async function attacker(): Promise<Mesh> {
  const mesh = await createMesh(
    { identity: { deviceSecretKey: systemRandom(32) }, listen: [], maxStreams: 10_000 },
    { transports: [tcp()], log: () => {} },
  )
  meshes.push(mesh)
  return mesh
}

/** Of one network address so many connections are taken within a second: who comes then comes again. */
const reach = (mesh: Mesh, protocol: string) =>
  vi.waitFor(() => mesh.open(flooded.address, protocol), { timeout: 20_000, interval: 200 })

type Streams = Awaited<ReturnType<Mesh['open']>>['stream'][]

/** Opens streams until the other side opens no more, and leaves them open. */
async function openMany(mesh: Mesh, protocol: string, count: number): Promise<Streams> {
  const first = await reach(mesh, protocol)
  const opened = await Promise.allSettled(
    Array.from({ length: count - 1 }, () => mesh.open(flooded.address, protocol)),
  )
  const others = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value.stream] : []))
  return [first.stream, ...others]
}

/** Sends `data` over and over, and reads nothing. @returns replies that came until it was refused */
async function pipeline(protocol: string, data: Uint8Array, count: number): Promise<number> {
  const mesh = await attacker()
  const { stream } = await reach(mesh, protocol)
  const messages = messagesOver(stream, MAX_WEIGHTS_REPLY_BYTES)
  const sending = messages.writeAll(Array.from({ length: count }, () => data)).catch(() => {})
  await requireAnswering()
  let replies = 0
  for (;;) {
    const reply = await messages.read().catch(() => null)
    if (reply === null) break
    replies++
  }
  await sending
  return replies
}

describe('a device that is flooded goes on answering its owner', { timeout: 180_000 }, () => {
  it('default: with connections of many devices', async () => {
    const tried = 30
    await Promise.allSettled(
      Array.from({ length: tried }, async () =>
        (await attacker()).open(flooded.address, protocols.OFFER_PROTOCOL),
      ),
    )
    await requireAnswering()
  })

  it('behaviour: with handshakes that are never done, which leave room for others', async () => {
    const port = Number(/\/tcp\/(\d+)/.exec(flooded.address)?.[1])
    const { pendingPerHost, newPerSecond, handshakeMs } = MESH_LIMITS
    // From another address of this machine, ever anew, as long as one handshake may take: as many as
    // come through by then would fill all places.
    const open = new Set<Socket>()
    const flood = async () => {
      for (let i = 0; i < newPerSecond; i++) {
        const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
        socket.on('error', () => {})
        sockets.push(socket)
        open.add(socket)
        socket.on('close', () => open.delete(socket))
        await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
      }
      await requireAnswering()
    }
    for (const until = Date.now() + handshakeMs; Date.now() < until; ) await flood()
    // Who was not taken is cut off at once; of who was, the last would be there for as long as that again.
    const soon = { timeout: handshakeMs / 3, interval: 20 }
    await vi.waitFor(() => expect(open.size).toBeLessThanOrEqual(pendingPerHost), soon)
    const mesh = await attacker()
    const reached = reach(mesh, protocols.OFFER_PROTOCOL)
    await flood()
    const { stream } = await reached
    expect(await messagesOver(stream, 1 << 20).read()).not.toBeNull()
  })

  it.each(ALL)('behaviour: with streams of %s', async (protocol) => {
    const streams = await openMany(await attacker(), protocol, 100)
    await requireAnswering()
    for (const stream of streams) stream.abort(new Error('done'))
  })

  it('behaviour: with streams of all protocols at once, of which one device has so many', async () => {
    const mesh = await attacker()
    for (const protocol of ALL) await openMany(mesh, protocol, MESH_LIMITS.streams)
    await requireAnswering()
  })

  it.each(ALL)(
    'behaviour: with frames on %s that are larger than they may be',
    async (protocol) => {
      const mesh = await attacker()
      const junk = new Uint8Array(1 << 20)
      // A length of 2 GiB, and as much behind it as the other side takes.
      const head = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08)
      const streams = await openMany(mesh, protocol, 8)
      for (const stream of streams) {
        try {
          stream.send(head)
          for (let i = 0; i < 8; i++) stream.send(junk)
        } catch {}
      }
      await requireAnswering()
      // Who sends that is cut off at once, not when a deadline comes.
      const open = () => streams.filter(({ status }) => status === 'open')
      await vi.waitFor(() => expect(open()).toEqual([]), { timeout: 4_000 })
    },
  )

  it('behaviour: with requests for its offer', async () => {
    const mesh = await attacker()
    for (let i = 0; i < 150; i++) {
      const { stream } = await reach(mesh, protocols.OFFER_PROTOCOL)
      await messagesOver(stream, 1 << 20)
        .read()
        .catch(() => null)
      stream.abort(new Error('done'))
    }
    await requireAnswering()
  })

  it('behaviour: with requests for a header', async () => {
    const request = encodeHeaderRequest({
      modelId: fromHex(flooded.modelId),
      manifestHash: fromHex(flooded.manifestHash),
      chunk: null,
    })
    expect(await pipeline(protocols.HEADER_PROTOCOL, request, 5_000)).toBeLessThanOrEqual(35)
  })

  it('behaviour: with requests for weights, whose replies nobody reads', async () => {
    const request = encodeWeightsRequest({ kind: 'hashes', sha256: fromHex(flooded.sha256) })
    await pipeline(protocols.WEIGHTS_PROTOCOL, request, 5_000)
    await requireAnswering()
  })
})
