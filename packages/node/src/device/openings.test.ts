import { from0x, to0x } from '@freehold/core/bytes'
import type { OpenAuthorization } from '@freehold/core/clearing/chain'
import { type ChannelConfig, channelIdOf } from '@freehold/core/clearing/typed-data'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import { signVoucher } from '@freehold/core/clearing/voucher'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { systemClock } from '@freehold/core/platform'
import type { ChannelRequest } from '@freehold/core/wire/channel-messages'
import { http } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { befriend, createTown, DEPOSIT, type Town, termsOn, toyEngine } from './town.fixture.ts'

let town: Town
let lender: Awaited<ReturnType<Town['lender']>>

beforeAll(async () => {
  town = await createTown()
  lender = await town.lender({ device: { engine: toyEngine() } })
})
afterAll(async () => {
  await town[Symbol.asyncDispose]()
})

/** A stranger with tokens that asks for its opening to be submitted; each part can be falsified. */
async function stranger() {
  const { device, phrase } = await town.inhabitant({ engine: toyEngine() })
  const identity = await deriveIdentity(phrase, 0)
  const { chainId, house: address, token, rpc } = town.chain.settings
  const house = { chainId, address }
  const chain = createViemChain(
    { house, token, account: identity.wallet },
    { transport: http(rpc), clock: systemClock },
  )
  const config: ChannelConfig = {
    payer: identity.wallet.address,
    signer: identity.voucherSigner.address,
    payee: lender.device.identity!.wallet.address,
    delay: 172_800,
    flags: 0,
    salt: identity.channelSalt(0),
  }
  const ask = async (
    changes: {
      config?: Partial<ChannelConfig>
      leave?: Partial<OpenAuthorization> | null
      amount?: bigint
      signer?: Identity | null
    } = {},
  ) => {
    const wanted = { ...config, ...changes.config }
    const id = channelIdOf(house, wanted)
    const leave = await chain.authorizeOpen(wanted, changes.amount ?? DEPOSIT)
    const { signature, amount, validAfter, validBefore } = { ...leave, ...changes.leave }
    const { signer = identity } = changes
    const sig = signer && (await signVoucher(signer.voucherSigner, { id, house }, 0n))
    const bytes = (text: `0x${string}`) => from0x(text)
    const request: ChannelRequest = {
      config: {
        ...{ payer: bytes(wanted.payer), signer: bytes(wanted.signer) },
        ...{ payee: bytes(wanted.payee), salt: bytes(wanted.salt) },
        ...{ delay: wanted.delay, flags: wanted.flags },
      },
      leave:
        changes.leave === null
          ? null
          : { amount, validAfter, validBefore, signature: from0x(signature) },
      voucher: sig && {
        ...{ channelId: from0x(id), cumulative: 0n, sig, reqId: new Uint8Array(16) },
        ...{ tokens: 0, runningHash: new Uint8Array(32) },
      },
    }
    const { payment } = await lender.lending.offer()
    return lender.device.channels.serve(request, identity.device, payment)
  }
  return { ask, chain, config, identity, device }
}

const nativeOf = async () => (await lender.device.balances()).native

describe('relayed opening', () => {
  it('default: the lender submits it, and the channel is the payer’s', async () => {
    const { ask } = await stranger()
    const before = await nativeOf()
    const reply = await ask()
    expect(reply).toMatchObject({ result: 'ok', why: '', relayFee: 0n })
    expect(reply.transaction).toHaveLength(32)
    expect(await nativeOf()).toBeLessThan(before)
    expect(await ask({ leave: null })).toMatchObject({ result: 'ok', transaction: null })
  })

  it.each<[string, Parameters<Awaited<ReturnType<typeof stranger>>['ask']>[0], RegExp]>([
    ['another payee', { config: { payee: to0x(new Uint8Array(20).fill(9)) } }, /payee is somebody/],
    ['too short an exit delay', { config: { delay: 3_600 } }, /exit delay is too short/],
    ['an authorisation out of time', { leave: { validBefore: 1 } }, /contract refuses/],
    ['a signature over other terms', { leave: { amount: DEPOSIT + 1n } }, /contract refuses/],
    ['amount 0', { amount: 0n }, /takes \d+ or more/],
    ['a dust amount', { amount: 10n }, /takes \d+ or more/],
    ['more than the payer has', { amount: 10n ** 12n }, /contract refuses/],
    ['no authorisation', { leave: null }, /on the chain it is none/],
    ['nobody’s word for the signer', { signer: null }, /nobody signed/],
  ])('behaviour: one with %s is refused and costs no gas', async (_, changes, why) => {
    const { ask } = await stranger()
    const before = await nativeOf()
    const known = (await lender.device.tables.channels.list()).length
    expect(await ask(changes)).toMatchObject({ result: 'refused', why: expect.stringMatching(why) })
    expect(await nativeOf()).toBe(before)
    expect((await lender.device.tables.channels.list()).length).toBe(known)
  })

  it('behaviour: openings asked for at once are all submitted', async () => {
    const four = await Promise.all([0, 1, 2, 3].map(() => stranger()))
    const replies = await Promise.all(four.map(({ ask }) => ask()))
    expect(replies.map(({ result }) => result)).toEqual(['ok', 'ok', 'ok', 'ok'])
  })

  it('behaviour: row “open transaction replay”: a spent authorisation is refused and costs no gas', async () => {
    const { ask, chain, config, identity } = await stranger()
    await town.chain.fund(identity.wallet.address, '1')
    const spent = await chain.authorizeOpen(config, DEPOSIT)
    await chain.openWithAuthorization(spent)
    const before = await nativeOf()
    // Its nonce names the first channel, so it opens no other one.
    const again = await ask({ config: { salt: identity.channelSalt(1) }, leave: spent })
    expect(again).toMatchObject({ why: expect.stringMatching(/contract refuses/) })
    expect(await nativeOf()).toBe(before)
  })

  it('behaviour: somebody else’s channel cannot be taken up', async () => {
    const [owner, thief] = [await stranger(), await stranger()]
    expect(await owner.ask()).toMatchObject({ result: 'ok' })
    const { config } = owner
    for (const signer of [thief.identity, null]) {
      const reply = await thief.ask({ config, signer, leave: null })
      expect(reply.result).toBe('refused')
    }
    expect(await owner.ask({ leave: null })).toMatchObject({ result: 'ok' })
  })

  it('behaviour: a channel that is open already needs its signer’s word too', async () => {
    const [owner, thief] = [await stranger(), await stranger()]
    // Opened on the chain by somebody else, before this lender heard of it.
    await town.chain.fund(owner.identity.wallet.address, '1')
    await owner.chain.openWithAuthorization(await owner.chain.authorizeOpen(owner.config, DEPOSIT))
    const stolen = await thief.ask({ config: owner.config, signer: thief.identity, leave: null })
    expect(stolen).toMatchObject({ result: 'refused', why: expect.stringMatching(/signed it/) })
    expect(await owner.ask({ leave: null })).toMatchObject({ result: 'ok', transaction: null })
  })

  it('behaviour: one device gets one a minute', async () => {
    const { ask, identity } = await stranger()
    expect(await ask()).toMatchObject({ result: 'ok' })
    const second = { config: { salt: identity.channelSalt(1) } }
    expect(await ask(second)).toMatchObject({
      result: 'refused',
      why: expect.stringMatching(/one opening a minute/),
    })
  })

  it('behaviour: a lender that does not relay says so', async () => {
    const other = await town.lender({
      payment: termsOn(town.chain.settings, { relaysOpening: false }),
      device: { engine: toyEngine() },
    })
    const { device } = await town.inhabitant({ engine: toyEngine() })
    await expect(befriend(device, other.lending)).rejects.toThrow(/does not submit openings/)
  })
})
