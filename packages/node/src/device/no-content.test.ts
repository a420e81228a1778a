import { from0x, to0x, toHex } from '@freehold/core/bytes'
import type { Ceilings } from '@freehold/core/clearing/budget'
import { createChannelRecord } from '@freehold/core/clearing/channel'
import type { CompletionInit } from '@freehold/core/device/completions'
import { makeOffer } from '@freehold/core/device/offers'
import type { EndReason } from '@freehold/core/errors'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { ANSWER_PROTOCOL, OFFER_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type FrameOf,
  type Refusal,
} from '@freehold/core/wire/frames'
import { MAX_FRAME_BYTES } from '@freehold/core/wire/limits'
import { encodeOffer, type OfferedModel } from '@freehold/core/wire/offer'
import { tcp } from '@libp2p/tcp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTown, question, TCP, type Town, termsOn, toyEngine } from './town.fixture.ts'

const CHANNEL = to0x(new Uint8Array(32).fill(5))
let town: Town
let offered: OfferedModel
beforeAll(async () => {
  town = await createTown()
  const lender = await town.lender({ device: { engine: toyEngine() } })
  offered = (await lender.lending.offer()).models[0]!
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

/**
 * A lender that is paid, says one thing to whoever asks for an answer, and counts what it hears: how
 * often it was asked, and how many bytes of content came.
 */
async function tappingPeer(reply: Frame, promptCapTokens = 1_024) {
  const identity = await deriveIdentity(createPhrase(systemRandom), 0)
  const mesh = await createMesh({ identity, listen: [TCP] }, { transports: [tcp()], log: () => {} })
  const heard = { opens: 0, contentBytes: 0 }
  const terms = { ...termsOn(town.chain.settings), promptCapTokens }
  await mesh.handle(OFFER_PROTOCOL, async (stream) => {
    const offer = { models: [offered], payment: terms, addresses: mesh.addresses() }
    const messages = messagesOver(stream, 1)
    const made = await makeOffer(identity, { ...offer, nowMs: Date.now(), lifeMs: 300_000 })
    await messages.write(encodeOffer(made))
    await messages.close()
  })
  const over = Promise.withResolvers<void>()
  await mesh.handle(ANSWER_PROTOCOL, async (stream) => {
    const messages = messagesOver(stream, MAX_FRAME_BYTES)
    for (;;) {
      const data = await messages.read().catch(() => null)
      if (data === null) return over.resolve()
      const { kind } = decodeFrame(data)
      if (kind === 'open') {
        heard.opens++
        await messages.write(encodeFrame(reply))
      } else if (kind === 'request') {
        heard.contentBytes += data.length
        stream.abort(new Error('heard enough'))
        return over.resolve()
      }
    }
  })
  return {
    heard,
    identity,
    address: mesh.addresses()[0] ?? '',
    /** Resolves when whoever opened a stream has let go of it: nothing more comes then. */
    over: over.promise,
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  }
}

/** Asks such a peer, on a channel that could pay. @returns how it ended and what the peer heard */
async function ask(
  init: Partial<CompletionInit>,
  { reply = READY, cap, ceilings }: { reply?: Frame; cap?: number; ceilings?: Ceilings } = {},
) {
  await using peer = await tappingPeer(reply, cap)
  const { device } = await town.inhabitant({
    ...{ engine: toyEngine(), ceilings },
    // Nothing here hangs when the peer does.
    deadlines: { handshakeMs: 2_000, firstTokenMs: 2_000 },
  })
  const known = await device.peers.ask(peer.address)
  const { house, token, chainId } = town.chain.settings
  const { wallet, voucherSigner } = device.identity!
  const config = {
    ...{ payer: wallet.address, signer: voucherSigner.address, delay: 172_800, flags: 0 },
    ...{ payee: to0x(known.offer.payment!.payee), salt: CHANNEL },
  }
  const record = createChannelRecord({
    ...{ id: CHANNEL, role: 'payer', peer: toHex(known.lender), token, config },
    house: { chainId, address: house },
  })
  await device.tables.channels.put(CHANNEL, { ...record, status: 'open', deposit: 1_000_000n })
  const broken: EndReason[] = []
  const onBreak: CompletionInit['onBreak'] = ({ reason }) => broken.push(reason)
  const error = await device.complete(question({ maxTokens: 40, onBreak, ...init })).then(
    (completion) => completion.error,
    (thrown: Error) => thrown,
  )
  if (peer.heard.opens > 0) await peer.over
  return { error, broken, heard: { ...peer.heard }, egress: await device.egress.entries() }
}

const READY: FrameOf<'ready'> = { kind: 'ready', commit: from0x(CHANNEL), maxPromptTokens: 1_024 }
const none: Ceilings = { perRequest: null, perDay: null, perMillion: null }

describe('content of a prompt', () => {
  it('default: leaves once both sides agree, and is in the egress log by then', async () => {
    const { heard, egress } = await ask({})
    expect(heard).toEqual({ opens: 1, contentBytes: expect.any(Number) })
    expect(heard.contentBytes).toBeGreaterThan(20)
    expect(egress).toHaveLength(1)
  })

  it.each<[string, RegExp, Partial<CompletionInit>, Ceilings | undefined, number | undefined]>([
    ['one answer may cost', /you let one cost 30/, {}, { ...none, perRequest: 30n }, undefined],
    ['this answer may cost', /you let one cost 2/, { maxPrice: 2n }, undefined, undefined],
    ['a day may cost', /you let a day cost 30/, {}, { ...none, perDay: 30n }, undefined],
    [
      'a million tokens may cost',
      /you let them cost 999999/,
      {},
      { ...none, perMillion: 999_999n },
      undefined,
    ],
    [
      'its scope reaches',
      /scope "friends" reaches none/,
      { scope: 'friends' },
      undefined,
      undefined,
    ],
    ['the lender takes of strangers', /takes 3 tokens of prompt/, {}, undefined, 3],
    ['the context holds', /do not fit into the context/, { maxTokens: 600 }, undefined, undefined],
  ])(
    'behaviour: what is more than %s is not even asked for',
    async (_, message, init, ceilings, cap) => {
      const { error, heard, egress } = await ask(init, {
        ...(ceilings && { ceilings }),
        ...(cap && { cap }),
      })
      expect(error?.message).toMatch(message)
      expect(heard).toEqual({ opens: 0, contentBytes: 0 })
      expect(egress).toEqual([])
    },
  )

  const reasons = ['busy', 'deadline', 'engine', 'limit', 'model', 'payment', 'standing'] as const
  it.each<Refusal>(reasons)(
    'behaviour: a lender that refuses with %s hears none',
    async (reason) => {
      const { broken, heard, egress } = await ask(
        {},
        { reply: { kind: 'refuse', reason, message: 'no' } },
      )
      expect(broken).toEqual([reason])
      expect(heard).toEqual({ opens: 1, contentBytes: 0 })
      expect(egress).toEqual([])
    },
  )

  it('behaviour: a lender that forgot who asks, and so takes less than its offer let hope, hears none', async () => {
    const { error, broken, heard, egress } = await ask(
      {},
      { reply: { ...READY, maxPromptTokens: 3 } },
    )
    expect(error?.message).toMatch(/takes 3 tokens of prompt now/)
    expect(broken).toEqual(['limit'])
    expect(heard).toEqual({ opens: 1, contentBytes: 0 })
    expect(egress).toEqual([])
  })

  it('behaviour: an offer out of force is renewed once, and nothing leaves under either', async () => {
    const reply: Frame = { kind: 'refuse', reason: 'expired-offer', message: 'no' }
    const { error, heard, egress } = await ask({}, { reply })
    expect(error).toMatchObject({ reason: 'expired-offer' })
    expect(heard).toEqual({ opens: 2, contentBytes: 0 })
    expect(egress).toEqual([])
  })
})
