import { toHex } from '@freehold/core/bytes'
import { isMeant } from '@freehold/core/device/offers'
import { certifyDevice } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemRandom } from '@freehold/core/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTown, question, type Town, toyEngine } from './town.fixture.ts'

let town: Town
beforeAll(async () => {
  town = await createTown()
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

const toy = () => ({ engine: toyEngine() })
const short = { maxTokens: 8 }
type Lender = Awaited<ReturnType<Town['lender']>>
const addressOf = ({ lending }: Lender) => lending.addresses()[0] ?? ''
const nameOf = (one: { device: Lender['device'] }) => peerName(one.device.identity!.device)

describe('own devices', () => {
  it('default: of a lender that takes money they borrow without channel, voucher or price', async () => {
    const phrase = createPhrase(systemRandom)
    const lender = await town.lender({ device: { ...toy(), phrase } })
    // It has no chain at all, so that it could not pay.
    const own = await town.inhabitant({ ...toy(), phrase, deviceIndex: 1, chain: undefined })
    const known = await own.device.peers.ask(addressOf(lender))
    expect(known).toMatchObject({ rung: 'own', offer: { payment: null } })
    const completion = await own.device.complete(question({ ...short, scope: 'own' }))
    expect(completion).toMatchObject({
      error: null,
      record: { payment: 'free', priceUnits: 0n, heldUnits: 0n, channelId: null },
    })
    await completion.settled
    for (const { device } of [own, lender]) {
      expect(await device.tables.channels.list()).toEqual([])
      expect(await device.budget.spent()).toBe(0n)
    }
    expect(
      (await own.device.egress.entries()).map(({ scope, priceUnits }) => [scope, priceUnits]),
    ).toEqual([['own', '0']])
    expect((await lender.lending.offer()).payment).not.toBeNull()
  })

  it('default: one that was paired too, with a phrase of its own, and not once it is removed', async () => {
    const lender = await town.lender(toyLender())
    const other = await town.inhabitant({ ...toy(), chain: undefined })
    const { device } = other.device.identity!
    const certificate = await certifyDevice(lender.phrase, { device, index: 0x8000 })
    await other.device.pairs.join({ certificate, by: toHex(lender.device.identity!.device) })
    const own = await other.restart()
    expect(await own.peers.ask(addressOf(lender))).toMatchObject({
      rung: 'own',
      offer: { payment: null },
    })
    const completion = await own.complete(question({ ...short, scope: 'own' }))
    expect(completion).toMatchObject({ error: null, record: { payment: 'free' } })
    await completion.settled

    const row = { device: toHex(device), name: 'x', pairedAtMs: 0, index: 0x8000, isRemoved: true }
    await lender.device.pairs.add(row)
    // What it was offered before is void with it.
    await expect(own.complete(question({ ...short, scope: 'own' }))).rejects.toMatchObject({
      reason: 'standing',
      message: expect.stringMatching(/this offer was made to others/),
    })
    expect((await own.peers.ask(addressOf(lender))).offer.payment).not.toBeNull()
  })

  it('behaviour: a stranger that shows somebody else’s certificate gets the stranger’s offer', async () => {
    const lender = await town.lender(toyLender())
    const stranger = await town.inhabitant(toy())
    const { device } = stranger.device.identity!
    const forged = await certifyDevice(createPhrase(systemRandom), { device, index: 0x8000 })
    // It says that the lender's owner signed it.
    const certificate = { ...forged, owner: lender.device.identity!.owner }
    Object.assign(stranger.device.identity!, { certificate, owner: certificate.owner })
    const known = await stranger.device.peers.ask(addressOf(lender))
    expect(known.offer.payment).not.toBeNull()
  })

  it('behaviour: an offer to own devices serves nobody else', async () => {
    const phrase = createPhrase(systemRandom)
    const lender = await town.lender({ device: { ...toy(), phrase } })
    const own = await town.inhabitant({ ...toy(), phrase, deviceIndex: 1, chain: undefined })
    const { offer } = await own.device.peers.ask(addressOf(lender))
    const thief = await town.inhabitant(toy())
    const known = await thief.device.peers.ask(addressOf(lender))
    const row = (await own.device.tables.peers.get(toHex(known.lender)))!
    await thief.device.tables.peers.put(toHex(known.lender), row)
    expect(offer.models.some((model) => isMeant(model, 'toy'))).toBe(true)
    await expect(thief.device.complete(question(short))).rejects.toMatchObject({
      reason: 'standing',
    })
    expect(await lender.device.tables.lent.list()).toEqual([])
    expect(await thief.device.egress.entries()).toEqual([])
  })
})

describe('friends', () => {
  it('default: pay nothing where the lender says so, strangers do', async () => {
    const [friend, stranger] = [await town.inhabitant(toy()), await town.inhabitant(toy())]
    const lender = await town.lender({
      friendsFree: true,
      device: { ...toy(), friends: [nameOf(friend)] },
    })
    expect((await friend.device.peers.ask(addressOf(lender))).offer.payment).toBeNull()
    expect((await stranger.device.peers.ask(addressOf(lender))).offer.payment).not.toBeNull()
    const completion = await friend.device.complete(question(short))
    expect(completion).toMatchObject({ error: null, record: { payment: 'free', channelId: null } })
    await completion.settled
    expect(await lender.device.tables.channels.list()).toEqual([])
  })

  it('behaviour: a lender for friends shows strangers no offer, and serves them none', async () => {
    const friend = await town.inhabitant({ ...toy(), chain: undefined })
    const stranger = await town.inhabitant(toy())
    const lender = await town.lender({
      ...{ to: 'friends', payment: null },
      device: { ...toy(), friends: [nameOf(friend)] },
    })
    const known = await friend.device.peers.ask(addressOf(lender))
    const refused = stranger.device.peers.ask(addressOf(lender))
    await expect(refused).rejects.toThrow(/lends nothing to this one now/)
    // With a copied offer it gets no further.
    const key = toHex(known.lender)
    await stranger.device.tables.peers.put(key, (await friend.device.tables.peers.get(key))!)
    await expect(stranger.device.complete(question(short))).rejects.toMatchObject({
      reason: 'standing',
      message: expect.stringMatching(/lends to devices of its owner and of friends only/),
    })
    expect(await stranger.device.egress.entries()).toEqual([])
    const completion = await friend.device.complete(question(short))
    expect(completion.error).toBeNull()
    await completion.settled
  })

  it('behaviour: one that came by itself is still asked where it can be dialled, once it is gone', async () => {
    const lender = await town.lender({ payment: null, device: toy() })
    const asker = await town.inhabitant({ ...toy(), friends: [nameOf(lender)] })
    await asker.device.peers.ask(addressOf(lender))
    // As is done with a friend's device that connects by itself.
    await asker.device.peers.ask(`/p2p/${nameOf(lender)}`)
    const device = await asker.restart()
    const breaks: unknown[] = []
    const onBreak = ({ error }: { error: Error }) => void breaks.push(error.message)
    const answer = await device.complete({ ...question({ ...short, scope: 'friends' }), onBreak })
    expect({ breaks, error: answer.error }).toEqual({ breaks: [], error: null })
    await answer.settled
  })

  it('behaviour: scope friends reaches those alone whom the asker named', async () => {
    const lender = await town.lender({ payment: null, device: toy() })
    const asker = await town.inhabitant({ ...toy(), friends: [nameOf(lender)] })
    const other = await town.inhabitant(toy())
    for (const { device } of [asker, other]) await device.peers.ask(addressOf(lender))
    const completion = await asker.device.complete(question({ ...short, scope: 'friends' }))
    expect(completion.error).toBeNull()
    await completion.settled
    const refused = other.device.complete(question({ ...short, scope: 'friends' }))
    await expect(refused).rejects.toMatchObject({ reason: 'standing' })
  })
})

function toyLender() {
  return { device: toy() }
}
