import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromHex, toHex } from '@freehold/core/bytes'
import type { Device } from '@freehold/core/device/device'
import { readPairLink } from '@freehold/core/device/pair-link'
import type { JoinInit, PairQuestion, ShowInit } from '@freehold/core/device/pairing'
import { certifyDevice, deriveIdentity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { PAIR_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import {
  decodePairMessage,
  encodePairMessage,
  MAX_PAIR_BYTES,
  type PairMessage,
} from '@freehold/core/wire/pair-messages'
import { tcp } from '@libp2p/tcp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pathsOf } from '../config.ts'
import { openDevice } from './open-device.ts'
import { TCP, toyEngine } from './town.fixture.ts'

interface Person {
  device: Device
  phrase: string
  reopen(): Promise<Device>
  /** What this person was asked. */
  asked: PairQuestion[]
  says: (question: PairQuestion) => boolean | Promise<boolean>
}

let folder: string
let people: Person[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-pair-'))
  people = []
})
afterEach(async () => {
  await Promise.all(people.map(({ device }) => device[Symbol.asyncDispose]()))
  await rm(folder, { recursive: true, force: true })
})

async function person(friends: readonly string[] = []): Promise<Person> {
  const phrase = createPhrase(systemRandom)
  const paths = pathsOf({ home: join(folder, String(people.length)) })
  const open = () => openDevice({ paths, phrase, listen: [TCP], engine: toyEngine(), friends })
  const self: Person = {
    device: await open(),
    phrase,
    asked: [],
    says: () => true,
    reopen: async () => {
      await self.device[Symbol.asyncDispose]()
      self.device = await open()
      return self.device
    },
  }
  people.push(self)
  return self
}

const confirmOf = (self: Person) => async (question: PairQuestion) => {
  self.asked.push(question)
  return self.says(question)
}

function show(self: Person, init: Partial<ShowInit> = {}) {
  return self.device.pairing.show({
    as: 'own',
    name: 'phone',
    confirm: confirmOf(self),
    certify: (device, index) => certifyDevice(self.phrase, { device, index }),
    ...init,
  })
}

function use(self: Person, link: string, init: Partial<JoinInit> = {}) {
  const { code, as, addresses } = readPairLink(link)
  const base = { code, as, addresses, name: 'laptop', confirm: confirmOf(self) }
  return self.device.pairing.join({ ...base, ...init })
}

/** What pairing has left on a disk. */
async function traces({ device: { tables, pairs } }: Person) {
  const own = (await pairs.list()).map(({ name, isRemoved }) => ({ name, isRemoved }))
  return { own, member: (await tables.membership.list()).length }
}
const NOTHING = { own: [], member: 0 }

describe('pairing', () => {
  it('default: both see the same words, and the other device becomes the owner’s own', async () => {
    const [one, other] = [await person(), await person()]
    const { code, link, paired } = await show(one)
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    const [there, here] = await Promise.all([use(other, link), paired])
    const keys = [one, other].map(({ device }) => toHex(device.identity!.device))
    expect([there, here]).toEqual([
      { device: keys[0], name: 'laptop', as: 'own', isMutual: true },
      { device: keys[1], name: 'phone', as: 'own', isMutual: true },
    ])
    for (const [i, { device }] of [other, one].entries()) {
      expect(await device.pairs.isMutual(keys[i]!)).toBe(true)
    }
    expect(one.asked[0]?.words).toHaveLength(3)
    expect(one.asked[0]?.words).toEqual(other.asked[0]?.words)
    // The owner is the first one's from now on, and each keeps its own keys.
    const { identity } = await other.reopen()
    expect(identity?.owner).toEqual(one.device.identity?.owner)
    expect(toHex(identity!.device)).toBe(keys[1])
    expect(identity?.certificate.index).toBe(0x8000)
    const lending = await one.device.lending.start({ models: ['acorn'], payment: null })
    const known = await other.device.peers.ask(lending.addresses()[0] ?? '')
    expect(known.rung).toBe('own')
    await lending[Symbol.asyncDispose]()
  })

  it('behaviour: what is removed is own no more, on either side', async () => {
    const [one, other] = [await person(), await person()]
    const { link, paired } = await show(one)
    const [there, here] = await Promise.all([use(other, link), paired])
    await other.reopen()
    const lending = await other.device.lending.start({ models: ['acorn'], payment: null })
    const address = lending.addresses()[0] ?? ''
    expect((await one.device.peers.ask(address)).rung).toBe('own')
    expect(await one.device.pairs.remove(here.device)).toBe(false)
    expect((await one.device.peers.ask(address)).rung).toBe('market')
    expect(await other.device.pairs.remove(there.device)).toBe(true)
    const { identity } = await other.reopen()
    expect(identity).toEqual({
      ...(await deriveIdentity(other.phrase, 0)),
      wallet: expect.anything(),
      voucherSigner: expect.anything(),
      sign: expect.anything(),
      channelSalt: expect.anything(),
    })
  })

  it('behaviour: friends are given to who keeps them, and nobody’s owner changes', async () => {
    const [one, other] = [await person(), await person()]
    const kept: string[] = []
    const keep = async ({ name }: { name: string }) => void kept.push(name)
    const { link, paired } = await show(one, {
      as: 'friend',
      name: 'Bob',
      certify: undefined,
      keep,
    })
    await Promise.all([use(other, link, { name: 'Ann', keep }), paired])
    expect(kept).toEqual(['Ann', 'Bob'])
    expect(await Promise.all([one, other].map(traces))).toEqual([NOTHING, NOTHING])
  })

  it('behaviour: without the owner’s phrase no own device is made', async () => {
    const one = await person()
    const shown = show(one, { certify: undefined })
    await expect(shown).rejects.toThrow(/the phrase of its owner is on another device/)
  })

  it.each(['host', 'guest'])('behaviour: the %s says no, and nothing is kept', async (who) => {
    const [one, other] = [await person(), await person()]
    const no = who === 'host' ? one : other
    no.says = () => false
    const { link, paired } = await show(one)
    const both = await Promise.allSettled([paired, use(other, link)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await Promise.all([one, other].map(traces))).toEqual([NOTHING, NOTHING])
    // The code is gone with its one try.
    await expect(use(other, link)).rejects.toThrow(/no code is shown here now/)
  })

  it.each(['host', 'guest'])(
    'behaviour: the %s is interrupted, and nothing is kept',
    async (who) => {
      const [one, other] = [await person(), await person()]
      const ctrlC = new AbortController()
      const stopped = who === 'host' ? one : other
      // It has agreed when its Ctrl-C comes; the other one is still looking at the words.
      const hesitant = stopped === one ? other : one
      hesitant.says = () => {
        setImmediate(() => ctrlC.abort(new DOMException('interrupted', 'AbortError')))
        return new Promise(() => {})
      }
      const { signal } = ctrlC
      const { link, paired } = await show(one, who === 'host' ? { signal } : {})
      const both = [paired, use(other, link, who === 'guest' ? { signal } : {})]
      const asked = new Promise((resolve) => signal.addEventListener('abort', resolve))
      await asked
      const mine = both[who === 'host' ? 0 : 1]
      await expect(mine).rejects.toMatchObject({ name: 'AbortError' })
      await expect(both[who === 'host' ? 1 : 0]).rejects.toMatchObject({ name: 'LendingError' })
      expect(await Promise.all([one, other].map(traces))).toEqual([NOTHING, NOTHING])
    },
  )

  it('behaviour: a host that is gone when the guest keeps it leaves neither side believing in both', async () => {
    const [one, other] = [await person(), await person()]
    const { link, paired } = await show(one)
    const lost = expect(paired).rejects.toThrow(/left before it said that it keeps the pairing/)
    const keep = async () => {
      await one.device[Symbol.asyncDispose]()
    }
    const there = toHex(one.device.identity!.device)
    expect(await use(other, link, { keep })).toMatchObject({ as: 'own', isMutual: false })
    await lost
    await one.reopen()
    expect(await traces(one)).toEqual(NOTHING)
    // It is known afterwards too, until the pairing is undone or made anew.
    expect(await (await other.reopen()).pairs.isMutual(there)).toBe(false)
    expect(await traces(other)).toEqual({ own: [{ name: 'laptop', isRemoved: false }], member: 1 })
  })

  it('behaviour: a host that cannot keep it tells the guest so', async () => {
    const [one, other] = [await person(), await person()]
    const keep = async () => {
      throw new Error('the disk is full')
    }
    const { link, paired } = await show(one, { as: 'friend', keep })
    const full = expect(paired).rejects.toThrow(/the disk is full/)
    expect(await use(other, link)).toMatchObject({ as: 'friend', isMutual: false })
    await full
  })

  it('behaviour: nobody comes in time', async () => {
    const one = await person()
    const { paired } = await show(one, { timeoutMs: 20 })
    await expect(paired).rejects.toThrow(/not paired in time/)
    const { link, paired: second } = await show(one)
    expect(link).toMatch(/^freehold:pair\//)
    second.catch(() => {})
  })

  it('behaviour: one wrong code, and the right one is void too', async () => {
    const [one, other] = [await person(), await person()]
    const { link, paired } = await show(one)
    const gone = expect(paired).rejects.toThrow(/a wrong code was used/)
    await expect(use(other, link, { code: '0000-0000' })).rejects.toThrow(/this is not the code/)
    await gone
    await expect(use(other, link)).rejects.toThrow(/no code is shown here now/)
    expect(one.asked).toEqual([])
  })

  it('behaviour: a code for friends makes no own device', async () => {
    const [one, other] = [await person(), await person()]
    const { link, paired } = await show(one, { as: 'friend' })
    await expect(use(other, link, { as: 'own' })).rejects.toThrow(/for pairing as friend/)
    // That cost the code nothing.
    await Promise.all([use(other, link), paired])
    expect(await Promise.all([one, other].map(traces))).toEqual([NOTHING, NOTHING])
  })
})

describe('somebody in between', () => {
  it('default: who pairs with both, code in hand, shows them different words', async () => {
    const [ann, bob, mallory] = [await person(), await person(), await person()]
    const differ = ({ words }: PairQuestion) => {
      const seen = [...ann.asked, ...bob.asked].map((question) => question.words.join(' '))
      return seen.every((one) => one === words.join(' ')) && seen.length > 1
    }
    for (const each of [ann, bob]) each.says = differ
    const { link, paired } = await show(ann, { as: 'friend' })
    // Mallory knows the code, and shows one of its own to Bob, whom it sent its own link.
    const trap = await show(mallory, { as: 'friend' })
    const ended = await Promise.allSettled([
      use(mallory, link),
      paired,
      use(bob, trap.link),
      trap.paired,
    ])
    expect(ended.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    expect(ann.asked[0]?.words).not.toEqual(bob.asked[0]?.words)
  })

  it('behaviour: who hands every message on is refused, since the code speaks of the keys', async () => {
    const [ann, bob] = [await person(), await person()]
    const { link, paired } = await show(ann, { as: 'friend' })
    const refused = expect(paired).rejects.toThrow(/a wrong code was used/)
    await using relay = await tapping(async (fromBob) => {
      const { stream } = await relay.mesh.open(readPairLink(link).addresses[0] ?? '', PAIR_PROTOCOL)
      const toAnn = messagesOver(stream, MAX_PAIR_BYTES)
      for (;;) {
        const up = await fromBob.read()
        if (up === null) return
        await toAnn.write(up)
        const down = await toAnn.read()
        if (down === null) return
        await fromBob.write(down)
      }
    })
    const addresses = [relay.address]
    await expect(use(bob, link, { addresses })).rejects.toThrow(/this is not the code/)
    await refused
    expect([...ann.asked, ...bob.asked]).toEqual([])
  })

  it('behaviour: who looks for a nonce once it has seen the other’s is caught by its commitment', async () => {
    const bob = await person()
    await using liar = await tapping(async (talk) => {
      const say = (message: PairMessage) => talk.write(encodePairMessage(message))
      await talk.read()
      await say({ kind: 'commit', commit: new Uint8Array(32).fill(1) })
      const prove = await talk.read()
      expect(decodePairMessage(prove!).kind).toBe('prove')
      await say({ kind: 'reveal', nonce: systemRandom(32) })
      await talk.read()
    })
    const used = bob.device.pairing.join({
      ...{ code: 'K7QM-2XPD', addresses: [liar.address], as: 'friend', name: 'x' },
      confirm: confirmOf(bob),
    })
    await expect(used).rejects.toThrow(/changed its mind/)
    expect(bob.asked).toEqual([])
  })

  it('behaviour: a link names its device’s key, so another at that address is not talked to', async () => {
    const [ann, bob, mallory] = [await person(), await person(), await person()]
    const { link, paired } = await show(ann, { as: 'friend' })
    paired.catch(() => {})
    const [address = ''] = readPairLink(link).addresses
    const at = address.split('/p2p/')
    const elsewhere = `${(await show(mallory)).link}`
    const port = readPairLink(elsewhere).addresses[0]?.split('/p2p/')[0]
    const spoofed = use(bob, link, { addresses: [`${port}/p2p/${at[1]}`] })
    await expect(spoofed).rejects.toMatchObject({ reason: 'lost' })
    expect(peerName(fromHex(toHex(ann.device.identity!.device)))).toBe(at[1])
  })
})

/** A device of nobody's that answers the pairing protocol as a test wants. */
async function tapping(serve: (talk: ReturnType<typeof messagesOver>) => Promise<void>) {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const mesh = await createMesh({ identity, listen: [TCP] }, { transports: [tcp()], log: () => {} })
  await mesh.handle(PAIR_PROTOCOL, (stream) => serve(messagesOver(stream, MAX_PAIR_BYTES)))
  return {
    mesh,
    address: mesh.addresses()[0] ?? '',
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  }
}
