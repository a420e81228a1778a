/** A lender that nobody can dial is paid for what it answers through a relay. */
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { checkEvidence } from '@freehold/core/lending/evidence'
import type { Mesh } from '@freehold/core/mesh/mesh'
import type { ReachInit } from '@freehold/core/mesh/reachability'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openRelayedMesh, relayedAddress } from '../mesh/relayed-mesh.fixture.ts'
import {
  channels,
  createTown,
  DEPOSIT,
  question,
  rawPrice,
  roundUp,
  TCP,
  type Town,
  toyEngine,
} from './town.fixture.ts'

const WAIT_MS = 180_000

let town: Town
let relay: Mesh
const relayIdentity = await deriveIdentity(createPhrase(systemRandom), 0)
const startRelay = (listen: string) =>
  openRelayedMesh({ identity: relayIdentity, listen: [listen], reach: { relay: 'always' } })

beforeAll(async () => {
  town = await createTown()
  relay = await startRelay(TCP)
})
afterAll(async () => {
  await town?.[Symbol.asyncDispose]()
  await relay?.[Symbol.asyncDispose]()
})

/** What opens a device that is in the network by relays alone. */
async function behindRelay(reach: ReachInit) {
  const phrase = createPhrase(systemRandom)
  const mesh = await openRelayedMesh({ identity: await deriveIdentity(phrase, 0), reach })
  const changeMesh = (plain: Mesh): Mesh => ({
    ...mesh,
    [Symbol.asyncDispose]: async () => {
      await mesh[Symbol.asyncDispose]()
      await plain[Symbol.asyncDispose]()
    },
  })
  return { phrase, listen: [], changeMesh, engine: toyEngine() }
}

describe('an answer through a relay', { timeout: WAIT_MS }, () => {
  it('default: has its receipt, is paid to the unit, and so again once the relay started anew', async () => {
    const lender = await town.lender({ device: await behindRelay({ relays: relay.addresses() }) })
    const borrower = await town.inhabitant(await behindRelay({}))
    const address = await relayedAddress(lender.lending)
    const known = await borrower.device.peers.ask(address)
    expect(known.address).toBe(address)
    await borrower.device.channels.open(known, DEPOSIT)
    const borrow = async () => {
      const { error, record } = await borrower.device.complete(question())
      expect(error).toBeNull()
      expect(record).toMatchObject({ end: 'receipt' })
      expect(await checkEvidence(record!.evidence!)).toBeNull()
      await borrower.device.borrowing.idle()
      return rawPrice(record!)
    }
    let due = await borrow()
    const expectPaid = async () => {
      const { payer, payee } = await channels(borrower.device, lender.device)
      expect([payer.cumulative, payee.cumulative]).toEqual([roundUp(due), roundUp(due)])
      expect([payer.answers, payee.answers]).toEqual([{}, {}])
    }
    await expectPaid()
    const [at = ''] = relay.addresses()
    await relay[Symbol.asyncDispose]()
    await vi.waitFor(() => expect(lender.lending.addresses()).toEqual([]), { timeout: 60_000 })
    relay = await startRelay(at.split('/p2p/')[0] ?? '')
    expect(await relayedAddress(lender.lending)).toBe(address)
    due += await borrow()
    await expectPaid()
  })
})
