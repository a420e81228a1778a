import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { DEFAULT_DEADLINES } from '@freehold/core/lending/deadlines'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import type { Mesh } from '@freehold/core/mesh/mesh'
import { OFFER_PROTOCOL, WEIGHTS_PROTOCOL } from '@freehold/core/mesh/protocols'
import { ANSWER_WAITS_MS } from '@freehold/core/mesh/reachability'
import type { CarryLimits } from '@freehold/core/mesh/relay-limits'
import { systemRandom } from '@freehold/core/platform'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openRelayedMesh, relayedAddress } from './relayed-mesh.fixture.ts'

const TCP = '/ip4/127.0.0.1/tcp/0'
const MAX_BYTES = 1 << 20

const meshes: Mesh[] = []
afterEach(async () => {
  for (const mesh of meshes.splice(0)) await mesh[Symbol.asyncDispose]()
})

const open = async (init: Parameters<typeof openRelayedMesh>[0]): Promise<Mesh> => {
  const mesh = await openRelayedMesh(init)
  meshes.push(mesh)
  return mesh
}

const relayWith = (limits: Partial<CarryLimits>) =>
  open({ listen: [TCP], reach: { relay: 'always', limits } })

/** Says back what it hears. */
async function echo(relay: Mesh): Promise<{ mesh: Mesh; address: string }> {
  const mesh = await open({ reach: { relays: relay.addresses() } })
  for (const protocol of [OFFER_PROTOCOL, WEIGHTS_PROTOCOL]) {
    await mesh.handle(protocol, async (stream) => {
      const messages = messagesOver(stream, MAX_BYTES)
      for (;;) {
        const data = await messages.read()
        if (data === null) return
        await messages.write(data)
      }
    })
  }
  return { mesh, address: await relayedAddress(mesh) }
}

async function talkTo(address: string, protocol = OFFER_PROTOCOL) {
  const mesh = await open({ reach: {} })
  const { stream } = await mesh.open(address, protocol)
  const messages = messagesOver(stream, MAX_BYTES)
  return async (data: Uint8Array) => {
    await messages.write(data)
    const back = await messages.read()
    if (back === null) throw new Error('it was cut off')
    return new Uint8Array(back)
  }
}

describe('what a relay gives away', () => {
  it('default: carries what two say to each other that cannot connect', async () => {
    const { address } = await echo(await relayWith({}))
    const say = await talkTo(address)
    expect(await say(Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('behaviour: so many bytes of one connection, and another one then', async () => {
    const { address } = await echo(await relayWith({ relayedBytes: 500_000n }))
    const say = await talkTo(address)
    const data = systemRandom(20_000)
    const all = async () => {
      for (let i = 0; i < 20; i++) {
        expect(await say(data)).toEqual(data)
        carried += 2 * data.length
      }
    }
    let carried = 0
    await expect(all()).rejects.toThrow()
    expect(carried).toBeGreaterThan(0)
    expect(carried).toBeLessThan(500_000)
    expect(await (await talkTo(address))(Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  })

  it('behaviour: so long a connection', async () => {
    const { address } = await echo(await relayWith({ relayedMs: 2_000 }))
    const say = await talkTo(address)
    const talking = async () => {
      for (;;) await say(Uint8Array.of(1))
    }
    await expect(talking()).rejects.toThrow()
  })

  it('behaviour: so many places, and one is free when its device leaves', async () => {
    const relay = await relayWith({ reservations: 1 })
    const first = await echo(relay)
    const refused: unknown[] = []
    const second = await open({
      reach: { relays: relay.addresses() },
      log: (event, details) => {
        if (event === 'mesh.relay') refused.push(details?.error)
      },
    })
    expect(String(refused[0])).toMatch(/RESERVATION_REFUSED/)
    expect(second.addresses()).toEqual([])
    await first.mesh[Symbol.asyncDispose]()
    expect(await relayedAddress(second)).toContain('/p2p-circuit/')
  }, 120_000)

  it('behaviour: no place where it does not relay', async () => {
    const other = await open({ listen: [TCP], reach: {} })
    const guest = await open({ reach: { relays: other.addresses() } })
    expect(guest.addresses()).toEqual([])
  })

  it('behaviour: nothing of models, which are too large for it', async () => {
    const { address } = await echo(await relayWith({}))
    await expect(talkTo(address, WEIGHTS_PROTOCOL)).rejects.toMatchObject({ reason: 'lost' })
  })
})

describe('an answer that waits for a direct connection', () => {
  it('default: has more than half of its time to reach the lender left for the relay', () => {
    expect(2 * ANSWER_WAITS_MS).toBeLessThan(DEFAULT_DEADLINES.connectMs)
  })
})

describe('a relay that starts anew', () => {
  it('default: gives its guests their places back, and they are reached again', async () => {
    const identity = await deriveIdentity(createPhrase(systemRandom), 0)
    const init = { identity, reach: { relay: 'always' } } as const
    const relay = await open({ ...init, listen: [TCP] })
    const [listen = ''] = relay.addresses().map((address) => address.split('/p2p/')[0] ?? '')
    const { mesh, address } = await echo(relay)
    await relay[Symbol.asyncDispose]()
    await expect(talkTo(address)).rejects.toMatchObject({ reason: 'lost' })
    await vi.waitFor(() => expect(mesh.addresses()).toEqual([]), { timeout: 60_000 })
    await open({ ...init, listen: [listen] })
    expect(await relayedAddress(mesh)).toBe(address)
    expect(await (await talkTo(address))(Uint8Array.of(1))).toEqual(Uint8Array.of(1))
  }, 120_000)
})
