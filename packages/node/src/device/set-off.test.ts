import { unsettled } from '@freehold/core/clearing/keeper'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createMembers,
  keyOf,
  type Member,
  owe,
  rowBetween,
  rowsOf,
  worths,
} from './set-off.fixture.ts'
import { accountOf, createTown, type Town, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const native = async ({ device }: Member) => (await device.balances()).native
const round = ({ device }: Member) => device.setOff.round()

/** Both sides of each channel see the chain as it is, and say the same. */
async function expectSameBooks(members: readonly Member[]): Promise<void> {
  for (const { device } of members) await device.keeper!.refresh()
  for (const one of members) {
    for (const row of await rowsOf(one.device)) {
      const other = members.find(({ device }) => accountOf(device) === row.config.payee)
      const payee = await other!.device.tables.channels.get(row.id)
      const book = ({ deposit, settled, cumulative, status }: typeof row) => ({
        ...{ deposit, settled, cumulative, status },
      })
      expect(book(payee!)).toEqual(book(row))
    }
  }
}

describe('set-off', () => {
  it('default: two that owe each other cancel the lesser debt, once, to the unit', async () => {
    const members = await createMembers(town, [{}, {}])
    const [one, other] = members as [Member, Member]
    await owe(one, other, 30)
    await owe(other, one, 20)
    const before = await worths(town, members)
    const lesser = unsettled(await rowBetween(other, one))
    const greater = await rowBetween(one, other)
    expect(greater.config.flags).toBe(1)

    const seen = await one.device.setOff.round({ isDryRun: true })
    expect(seen.rings).toMatchObject([{ amount: lesser, result: 'found', transaction: null }])
    const { rings, unanswered } = await round(one)
    expect(unanswered).toEqual([])
    const by = { result: 'done', by: expect.any(String), why: null }
    expect(rings).toMatchObject([{ amount: lesser, channels: { length: 2 }, ...by }])
    expect(await worths(town, members)).toEqual(before)
    await expectSameBooks(members)
    const after = await rowBetween(one, other, other)
    expect(after).toMatchObject({
      settled: greater.settled + lesser,
      deposit: greater.deposit + lesser,
      cumulative: greater.cumulative,
    })
    expect(unsettled(await rowBetween(other, one))).toBe(0n)
    expect((await round(other)).rings).toEqual([])

    // They go on from these books: what is borrowed is paid, the rest is settled as ever.
    await owe(one, other, 10)
    const left = unsettled(await rowBetween(one, other, other))
    expect((await other.device.keeper!.settle(true))?.amount).toBe(left)
    expect((await worths(town, members)).reduce((a, b) => a + b)).toBe(
      before.reduce((a, b) => a + b),
    )
  })

  it('behaviour: three that owe each other in turn, through friends, for less gas than settling', async ({
    annotate,
  }) => {
    const friends = { setOff: 'friends' } as const
    const members = await createMembers(town, [friends, friends, friends])
    const [a, b, c] = members as [Member, Member, Member]
    await owe(a, b, 30)
    await owe(b, c, 20)
    await owe(c, a, 25)
    const before = await worths(town, members)
    const least = unsettled(await rowBetween(b, c))
    // The one whose acknowledgement is passed on has to be asked for it first.
    expect((await round(b)).rings).toEqual([])
    const { rings } = await round(a)
    expect(rings).toMatchObject([{ amount: least, result: 'done', accounts: { length: 3 } }])
    expect(await worths(town, members)).toEqual(before)
    await expectSameBooks(members)
    expect(unsettled(await rowBetween(b, c, c))).toBe(0n)

    const settling: bigint[] = []
    for (const { device } of [a, b]) {
      const settled = await device.keeper!.settle(true)
      settling.push(...settled!.transactions.map(({ gasUsed }) => gasUsed))
    }
    const gas = rings[0]!.gas!
    await annotate(`a ring of 3: ${gas} gas; one settlement: ${settling.join(' and ')}`)
    expect(settling.every((one) => 3n * one > gas)).toBe(true)
  })

  it('behaviour: nothing with one that takes no part, and its channels cannot be set off', async () => {
    const members = await createMembers(town, [{}, { setOff: 'off' }])
    const [one, other] = members as [Member, Member]
    await owe(one, other, 12)
    await owe(other, one, 12)
    expect((await rowBetween(other, one)).config.flags).toBe(0)
    expect(await round(one)).toEqual({ rings: [], unanswered: [] })
    expect(await round(other)).toEqual({ rings: [], unanswered: [] })
    // Channels that were opened before it said so do not matter.
    const [third, fourth] = (await createMembers(town, [{}, {}])) as [Member, Member]
    await owe(third, fourth, 12)
    await owe(fourth, third, 12)
    await fourth.device[Symbol.asyncDispose]()
    const { home, phrase } = fourth
    const device = { home, phrase, engine: toyEngine(), setOff: 'off' } as const
    const again = await town.lender({ device })
    await third.device.peers.ask(again.lending.addresses()[0]!)
    const { rings, unanswered } = await round(third)
    expect([rings, unanswered.length]).toEqual([[], 1])
    expect(await round(again)).toEqual({ rings: [], unanswered: [] })
  })

  it.each([
    ['one lets only pairs', ['friends', 'pairs', 'friends'], undefined],
    ['the last lets only pairs', ['friends', 'friends', 'pairs'], undefined],
    ['one calls nobody a friend', ['friends', 'friends', 'friends'], 1],
    ['the first calls nobody a friend', ['friends', 'friends', 'friends'], 0],
  ] as const)('behaviour: no ring of three where %s', async (_, reaches, lonely) => {
    const members = await createMembers(
      town,
      reaches.map((setOff, n) => ({ setOff, friends: n === lonely ? [] : undefined })),
    )
    const [a, b, c] = members as [Member, Member, Member]
    await owe(a, b, 12)
    await owe(b, c, 12)
    await owe(c, a, 12)
    for (let i = 0; i < 2; i++) {
      for (const member of [b, a]) {
        expect(await round(member)).toEqual({ rings: [], unanswered: [] })
      }
    }
  })

  it('behaviour: what was acknowledged for a pair goes into no ring of three', async () => {
    const friends = { setOff: 'friends' } as const
    const members = await createMembers(town, [friends, friends, { setOff: 'pairs' }])
    const [a, b, c] = members as [Member, Member, Member]
    await owe(a, b, 30)
    await owe(b, c, 30)
    await owe(c, a, 30)
    await owe(c, b, 8)
    expect((await round(b)).rings).toMatchObject([{ accounts: { length: 2 }, result: 'done' }])
    expect(unsettled(await rowBetween(b, c))).toBeGreaterThan(10n)
    expect(await round(a)).toEqual({ rings: [], unanswered: [] })
  })

  it('behaviour: who is a friend the owner says, for requests of scope friends too', async () => {
    const members = await createMembers(town, [{}, {}, { friends: [] }])
    const [one, other, stranger] = members as [Member, Member, Member]
    const address = other.lending.addresses()[0]!
    expect((await one.device.peers.ask(address)).rung).toBe('friends')
    expect((await stranger.device.peers.ask(address)).rung).toBe('market')
  })

  it('behaviour: who has no coin has the other submit it; where nobody has, nothing happens', async () => {
    const members = await createMembers(town, [{}, {}])
    const [one, other] = members as [Member, Member]
    await owe(one, other, 12)
    await owe(other, one, 12)
    for (const { device } of members) await town.chain.fund(accountOf(device), '0')
    const before = await worths(town, members)
    const none = await round(one)
    expect(none.rings).toMatchObject([{ result: 'no-coin', transaction: null }])
    expect(none.rings[0]!.why).toMatch(/no native coin.*no coin for the gas/)
    expect(await worths(town, members)).toEqual(before)

    await town.chain.fund(accountOf(other.device), '1')
    const { rings } = await round(one)
    expect(rings).toMatchObject([{ result: 'done', by: keyOf(other) }])
    expect(await native(one)).toBe(0n)
    expect(await worths(town, members)).toEqual(before)
    await expectSameBooks(members)
  })

  it('behaviour: both at once: one ring, and nobody pays for a refused one', async () => {
    const members = await createMembers(town, [{}, {}])
    const [one, other] = members as [Member, Member]
    await owe(one, other, 14)
    await owe(other, one, 14)
    const before = await worths(town, members)
    const coins = await Promise.all(members.map(native))
    const both = (await Promise.all([round(one), round(other)])).flatMap(({ rings }) => rings)
    const done = both.filter(({ result }) => result === 'done')
    expect(done).toHaveLength(1)
    // One paid for it, and the other for nothing: what a node refuses in advance costs no gas.
    const spent = await Promise.all(members.map(native))
    const costs = coins.map((coin, i) => coin - spent[i]!)
    expect(costs.filter((cost) => cost > 0n)).toHaveLength(1)
    expect(await worths(town, members)).toEqual(before)
  })
})
