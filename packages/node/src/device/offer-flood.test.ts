import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { systemRandom } from '@freehold/core/platform'
import { tcp } from '@libp2p/tcp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  addressOf,
  createNeighbourhood,
  type Neighbourhood,
  until,
} from './neighbourhood.fixture.ts'
import { question, TCP } from './town.fixture.ts'

const GOSSIP = { gossip: true }
const ECHO = '/freehold/test-echo/1'
const FLOOD = 500

let hood: Neighbourhood
beforeEach(async () => {
  hood = await createNeighbourhood()
})
afterEach(async () => {
  await hood[Symbol.asyncDispose]()
})

async function openRogue(listen: string[]) {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const mesh = await createMesh(
    { identity, listen, discovery: GOSSIP },
    { transports: [tcp()], log: () => {} },
  )
  const { discovery } = mesh
  if (!discovery?.gossip) throw new Error('it takes no part')
  const { gossip } = discovery
  return { mesh, discovery, gossip, [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose]() }
}

describe('a flood of offers that do not hold', () => {
  it('default: leaves the device answering its owner and hearing others', async () => {
    let judged = 0
    const victim = await hood.neighbour({
      discovery: GOSSIP,
      log: (event) => {
        if (event === 'offers.heard') judged++
      },
    })
    const address = await addressOf(victim)
    await using rogue = await openRogue([])
    const { discovery, gossip } = rogue
    gossip.listen(async () => 'ignore')
    await discovery.greet(address, { signal: AbortSignal.timeout(10_000) })
    await until(async () => (await gossip.tell(systemRandom(100))) > 0)
    const flood = (async () => {
      for (let n = 0; n < FLOOD; n++) await gossip.tell(systemRandom(1_000))
    })()
    const own = await victim.device.complete(question({ scope: 'device', via: 'here' }))
    expect(own).toMatchObject({ error: null, route: { where: 'here' } })
    await flood
    expect(judged).toBeGreaterThan(0)
    expect(judged).toBeLessThan(10)
    const lender = await hood.lender({ discovery: GOSSIP, bootstrap: [address] })
    await until(async () => (await victim.device.tables.peers.get(lender.key)) !== undefined)
    expect((await victim.device.tables.peers.list()).length).toBe(1)
  })

  it('behaviour: who told three is deaf to, whatever else it tells', async () => {
    await using one = await openRogue([TCP])
    await using other = await openRogue([])
    await one.mesh.handle(ECHO, (stream) => messagesOver(stream, 100).write(Uint8Array.of(1)))
    let judged = 0
    one.gossip.listen(async () => {
      judged++
      return 'reject'
    })
    other.gossip.listen(async () => 'ignore')
    await other.discovery.greet(one.mesh.addresses()[0] ?? '', {
      signal: AbortSignal.timeout(10_000),
    })
    // Whatever was told before has come when this comes.
    const echo = async () => {
      const { stream } = await other.mesh.open(one.mesh.addresses()[0] ?? '', ECHO)
      await messagesOver(stream, 100).read()
    }
    await until(async () => (await other.gossip.tell(systemRandom(100))) > 0)
    await until(async () => {
      const before = judged
      await other.gossip.tell(systemRandom(100))
      await echo()
      return judged > 0 && judged === before
    })
    const heard = judged
    for (let n = 0; n < 100; n++) await other.gossip.tell(systemRandom(100))
    await echo()
    expect(judged - heard).toBeLessThan(10)
  })
})
