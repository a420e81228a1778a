import { encodeInvitation } from '@freehold/core/wire/invitation'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  addressOf,
  createNeighbourhood,
  keyOf,
  type Neighbour,
  type Neighbourhood,
  TOY_ID,
  until,
} from './neighbourhood.fixture.ts'
import { question } from './town.fixture.ts'

const DHT = { discovery: { dht: true } }
const ask = () => question({ messages: [{ role: 'user', content: 'Hello' }], maxTokens: 3 })

let hood: Neighbourhood
beforeEach(async () => {
  hood = await createNeighbourhood()
})
afterEach(async () => {
  await hood[Symbol.asyncDispose]()
})

/** A first device, and others that know nothing but its address. */
async function streetOf(count: number, init = DHT) {
  const first = await hood.neighbour(init)
  const bootstrap = [await addressOf(first)]
  const others = await Promise.all(
    Array.from({ length: count - 1 }, () => hood.neighbour({ ...init, bootstrap })),
  )
  for (const { device } of others) {
    await until(async () => (await device.discovering.state()).connected > 0)
  }
  return { first, bootstrap, others }
}

const found = async ({ device }: Neighbour) =>
  (await device.discovering.look(TOY_ID)).map(({ address }) => address)

describe('finding a lender without a server', () => {
  it('default: a borrower that knows one address of somebody else borrows, by the digest', async () => {
    const { bootstrap } = await streetOf(10)
    const lender = await hood.lender({ ...DHT, bootstrap })
    const borrower = await hood.neighbour({ ...DHT, bootstrap, listen: [] })
    await until(async () => (await found(borrower)).length > 0)
    const { record, error } = await borrower.device.complete(ask())
    expect({ lender: record?.lender, error }).toEqual({ lender: lender.key, error: null })
    // Who cannot be dialled keeps no part of the table, who can does.
    expect((await borrower.device.discovering.state()).isServer).toBe(false)
    expect((await lender.device.discovering.state()).isServer).toBe(true)
    await borrower.device.borrowing.idle()
  })

  it('behaviour: a lender that is gone is passed over, and one that stopped lending too', async () => {
    const { bootstrap } = await streetOf(4)
    const gone = await hood.lender({ ...DHT, bootstrap })
    const stopped = await hood.lender({ ...DHT, bootstrap })
    const borrower = await hood.neighbour({ ...DHT, bootstrap, listen: [] })
    await until(async () => (await found(borrower)).length === 2)
    await gone[Symbol.asyncDispose]()
    await stopped.lending[Symbol.asyncDispose]()
    expect(await found(borrower)).toEqual([])
    // Somebody new is found all the same.
    const fresh = await hood.lender({ ...DHT, bootstrap })
    await until(async () => (await found(borrower)).includes(await addressOf(fresh)))
  })

  it('behaviour: strangers are not told what a request within a nearer scope looks for', async () => {
    const { bootstrap } = await streetOf(2)
    const lender = await hood.lender({ ...DHT, bootstrap })
    const borrower = await hood.neighbour({ ...DHT, bootstrap, listen: [] })
    await until(async () => (await found(lender)).length === 0)
    for (const scope of ['own', 'friends'] as const) {
      await expect(borrower.device.complete({ ...ask(), scope })).rejects.toThrow(/nobody lends/)
    }
    expect(await borrower.device.tables.peers.list()).toEqual([])
  })

  it('behaviour: the peer book finds back when no bootstrap is left', async () => {
    const { first, bootstrap, others } = await streetOf(5)
    const lender = await hood.lender({ ...DHT, bootstrap })
    const borrower = await hood.neighbour({ ...DHT, bootstrap, listen: [] })
    await until(async () => (await found(borrower)).length > 0)
    await until(async () => (await borrower.device.tables.contacts.list()).length > 2)
    await first[Symbol.asyncDispose]()
    await borrower.reopen({ bootstrap: [] })
    await until(async () => (await found(borrower)).length > 0)
    expect(others.length + 1).toBe(5)
    expect((await borrower.device.complete(ask())).record?.lender).toBe(lender.key)
    await borrower.device.borrowing.idle()
  })

  it('behaviour: an invitation is enough, if who answers there proves its key', async () => {
    const lender = await hood.lender(DHT)
    const other = await hood.neighbour(DHT)
    const guest = await hood.neighbour({ ...DHT, listen: [] })
    const invitation = {
      device: keyOf(lender.device),
      addresses: [await addressOf(lender)],
      name: 'the lender',
      expiresAtMs: null,
    }
    const wrong = { ...invitation, device: keyOf(other.device) }
    const follow = (link: string) => guest.device.discovering.follow(link)
    await expect(follow(encodeInvitation(wrong))).rejects.toThrow(/nobody proves the key/)
    await expect(follow(encodeInvitation({ ...invitation, expiresAtMs: 1 }))).rejects.toThrow(
      /the invitation is over: it ended at 1970/,
    )
    expect(await guest.device.tables.contacts.list()).not.toContainEqual([
      other.key,
      expect.anything(),
    ])
    await follow(encodeInvitation(invitation))
    await guest.reopen()
    await until(async () => (await found(guest)).length > 0)
    expect(await guest.device.tables.contacts.list()).toMatchObject([
      [lender.key, { name: 'the lender' }],
    ])
  })

  it('behaviour: a gossiped offer is known without a question, until it is over', async () => {
    const gossip = { discovery: { gossip: true } }
    const { bootstrap, others } = await streetOf(4, gossip as never)
    const lender = await hood.lender({ ...gossip, bootstrap })
    for (const { device } of others) {
      await until(async () => (await device.tables.peers.get(lender.key)) !== undefined)
      expect(await device.tables.peers.get(lender.key)).toMatchObject({ isHearsay: true })
    }
    const [borrower] = others
    expect((await borrower!.device.complete(ask())).record?.lender).toBe(lender.key)
    await borrower!.device.borrowing.idle()
  })
})
