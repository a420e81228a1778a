import { setImmediate as nextTurn } from 'node:timers/promises'
import { from0x } from '@freehold/core/bytes'
import { signAcknowledgement } from '@freehold/core/clearing/acknowledgement'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { configMessage } from '@freehold/core/clearing/config-message'
import { unsettled } from '@freehold/core/clearing/keeper'
import type { ChannelConfig } from '@freehold/core/clearing/typed-data'
import { signVoucher } from '@freehold/core/clearing/voucher'
import { exchange } from '@freehold/core/device/exchange'
import type { SetOffRound } from '@freehold/core/device/set-off'
import { deriveIdentity } from '@freehold/core/identity/identity'
import { createPhrase } from '@freehold/core/identity/phrase'
import { messagesOver } from '@freehold/core/mesh/frames-over-stream'
import { createMesh } from '@freehold/core/mesh/mesh'
import { SET_OFF_PROTOCOL } from '@freehold/core/mesh/protocols'
import { systemRandom } from '@freehold/core/platform'
import {
  type DebtMessage,
  debtorHash,
  decodeSetOffReply,
  decodeSetOffRequest,
  encodeSetOffReply,
  encodeSetOffRequest,
  MAX_SET_OFF_BYTES,
  type SetOffReply,
  type SetOffRequest,
} from '@freehold/core/wire/set-off-messages'
import { tcp } from '@libp2p/tcp'
import { createTestClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chainOf, createMembers, type Member, owe, rowBetween } from './set-off.fixture.ts'
import { accountOf, createTown, type Town } from './town.fixture.ts'

let town: Town
beforeEach(async () => {
  town = await createTown()
})
afterEach(async () => {
  await town[Symbol.asyncDispose]()
})

type Answer = (request: SetOffRequest) => Promise<SetOffReply>

/**
 * Takes a device's place in the network with its keys: from then on a test says what it says.
 */
async function becomeLiar(member: Member, answer?: Answer) {
  const { phrase, lending } = member
  const address = lending.addresses()[0]!
  const identity = await deriveIdentity(phrase, 0)
  await member.device[Symbol.asyncDispose]()
  const listen = [address.replace(/\/p2p\/.*/, '')]
  const mesh = await createMesh({ identity, listen }, { transports: [tcp()], log: () => {} })
  await mesh.handle(SET_OFF_PROTOCOL, async (stream) => {
    const messages = messagesOver(stream, MAX_SET_OFF_BYTES)
    const data = await messages.read()
    if (data === null || answer === undefined) return
    await messages.write(encodeSetOffReply(await answer(decodeSetOffRequest(data))))
    await messages.close()
  })
  return {
    identity,
    chain: chainOf(town, identity.wallet),
    say: async (to: Member, request: SetOffRequest): Promise<SetOffReply> => {
      const target = {
        address: to.lending.addresses()[0]!,
        device: to.device.identity!.device,
        protocol: SET_OFF_PROTOCOL,
      }
      const limits = { maxBytes: MAX_SET_OFF_BYTES, signal: AbortSignal.timeout(20_000) }
      return decodeSetOffReply(await exchange(mesh, target, encodeSetOffRequest(request), limits))
    },
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  }
}

const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600

/** A round, again while the connection to the process that the liar replaced is still coming down. */
async function round({ device }: Member, tries = 20): Promise<SetOffRound> {
  const found = await device.setOff.round()
  const isLost = found.unanswered.some(({ why }) => why.includes('cannot be reached'))
  return isLost && tries > 0 ? round({ device } as Member, tries - 1) : found
}

const native = async ({ device }: Member) => (await device.balances()).native

/** Two that owe each other; the second turns liar and owns what the first owes it by `debt`. */
async function createPair() {
  const members = await createMembers(town, [{}, {}])
  const [honest, liar] = members as [Member, Member]
  await owe(honest, liar, 20)
  await owe(liar, honest, 20)
  return {
    honest,
    liar,
    debt: await rowBetween(honest, liar),
    credit: await rowBetween(liar, honest),
  }
}

describe('a liar in a set-off', () => {
  it.each<[string, string | null, { total?: 1n; deadline?: number; by?: 'other'; id?: string }]>([
    ['nothing false', null, {}],
    ['a forged acknowledgement', 'signed it', { by: 'other' }],
    ['an expired one', 'is over', { deadline: 1 }],
    ['one that ends at once', '', { deadline: Math.floor(Date.now() / 1_000) + 5 }],
    ['one that never ends', '', { deadline: Number.MAX_SAFE_INTEGER }],
    ['more than is owed', 'more than is owed', { total: 1n }],
    ['another channel', '', { id: `0x${'11'.repeat(32)}` }],
  ])('behaviour: who says %s gets what it is due', async (_, why, lie) => {
    const { honest, liar, debt, credit } = await createPair()
    const coins = await native(honest)
    await using fake = await becomeLiar(liar, async () => {
      const { wallet } = lie.by
        ? await deriveIdentity(createPhrase(systemRandom), 0)
        : fake.identity
      const id = (lie.id ?? debt.id) as ChannelRecord['id']
      const total = debt.cumulative + (lie.total ?? 0n)
      const deadline = lie.deadline ?? inAnHour()
      const signed = await signAcknowledgement(
        wallet,
        { house: debt.house, id },
        { total, deadline },
      )
      const one = { channelId: from0x(id), reach: 'pairs' as const, ...signed }
      return { kind: 'answer', acknowledgements: [one], matches: [] }
    })
    const { rings, unanswered } = await round(honest)
    if (why === null) {
      expect(rings).toMatchObject([{ result: 'done', amount: unsettled(credit) }])
      return
    }
    expect(rings).toEqual([])
    expect(unanswered.map((one) => one.why).join()).toContain(why)
    expect(await native(honest)).toBe(coins)
    expect(await rowBetween(honest, liar, honest)).toEqual(debt)
  })

  it('behaviour: a ring that was settled meanwhile is refused before it costs gas', async () => {
    const { honest, liar, debt, credit } = await createPair()
    const payee = (await liar.device.tables.channels.get(debt.id))!
    await using fake = await becomeLiar(liar)
    const asked = await fake.say(honest, { kind: 'ask', salt: systemRandom(16), debtors: [] })
    if (asked.kind !== 'answer') throw new Error(`it said ${asked.kind}`)
    const [acknowledged] = asked.acknowledgements
    const house = debt.house
    const own = await signAcknowledgement(fake.identity.wallet, debt, {
      total: debt.cumulative,
      deadline: inAnHour(),
    })
    const ring: DebtMessage[] = [
      {
        config: configMessage(credit.config),
        total: acknowledged!.total,
        deadline: acknowledged!.deadline,
        voucher: await signVoucher(
          fake.identity.voucherSigner,
          { house, id: credit.id },
          acknowledged!.total,
        ),
        acknowledgement: acknowledged!.signature,
      },
      {
        config: configMessage(debt.config),
        total: own.total,
        deadline: own.deadline,
        voucher: from0x(payee.signature!),
        acknowledgement: own.signature,
      },
    ]
    const amount = unsettled(debt) < unsettled(credit) ? unsettled(debt) : unsettled(credit)
    const coins = await native(honest)
    const refused = async (changed: DebtMessage[], over = amount, why = /./) => {
      const reply = await fake.say(honest, { kind: 'submit', ring: changed, amount: over })
      expect(reply).toMatchObject({ kind: 'refuse', why: expect.stringMatching(why) })
    }
    const [first, second] = ring as [DebtMessage, DebtMessage]
    await refused(ring, amount + 1n, /refuses/)
    await refused(ring, 1n, /not worth/)
    await refused([first, first], amount, /not in it/)
    await refused([first], amount, /not worth|not in it/)
    await refused([first, { ...second, acknowledgement: second.voucher }], amount, /signed it/)
    await refused([first, { ...second, total: second.total - 1n }], amount, /signed it/)
    await refused(
      [first, { ...second, config: { ...second.config, flags: 0 } }],
      amount,
      /does not let/,
    )
    const row = { config: debt.config, cumulative: payee.cumulative, signature: payee.signature! }
    await fake.chain.settleMany([row])
    await refused(ring, amount, /refuses/)
    expect(await native(honest)).toBe(coins)
    await honest.device.keeper!.refresh()
    expect(await rowBetween(honest, liar, honest)).toMatchObject({
      settled: payee.cumulative,
      deposit: debt.deposit,
    })
  })

  it('behaviour: one that is settled in the next block is refused before it costs gas too', async () => {
    const { honest, liar, debt } = await createPair()
    const node = createTestClient({
      mode: 'anvil',
      chain: foundry,
      transport: http(town.chain.settings.rpc),
    })
    const payee = (await liar.device.tables.channels.get(debt.id))!
    const row = { config: debt.config, cumulative: payee.cumulative, signature: payee.signature! }
    let settling: Promise<unknown> = Promise.resolve()
    await using fake = await becomeLiar(liar, async () => {
      await node.setAutomine(false)
      settling = fake.chain.settleMany([row])
      while ((await node.getTxpoolStatus()).pending === 0) await nextTurn()
      const words = { total: debt.cumulative, deadline: inAnHour() }
      const signed = await signAcknowledgement(fake.identity.wallet, debt, words)
      const one = { channelId: from0x(debt.id), reach: 'pairs' as const, ...signed }
      return { kind: 'answer', acknowledgements: [one], matches: [] }
    })
    const coins = await native(honest)
    const { rings } = await round(honest)
    await node.mine({ blocks: 1 })
    await settling
    expect(rings).toMatchObject([{ result: 'refused', why: expect.stringMatching(/refuses/) }])
    expect(await native(honest)).toBe(coins)
    await node.setAutomine(true)
    await honest.device.keeper!.refresh()
    const after = { settled: payee.cumulative, deposit: debt.deposit }
    expect(await rowBetween(honest, liar, honest)).toMatchObject(after)
    expect((await round(honest)).rings).toEqual([])
  })

  it('behaviour: an exit that is asked for meanwhile goes on, and refunds what was set off', async () => {
    const { honest, liar, debt, credit } = await createPair()
    await using fake = await becomeLiar(liar, async () => {
      await fake.chain.requestClose(credit.config)
      const words = { total: debt.cumulative, deadline: inAnHour() }
      const signed = await signAcknowledgement(fake.identity.wallet, debt, words)
      const one = { channelId: from0x(debt.id), reach: 'pairs' as const, ...signed }
      return { kind: 'answer', acknowledgements: [one], matches: [] }
    })
    const { rings } = await round(honest)
    expect(rings).toMatchObject([{ result: 'done' }])
    const { amount } = rings[0]!
    const after = await rowBetween(liar, honest, honest)
    expect(after).toMatchObject({ status: 'exiting', deposit: credit.deposit + amount })
    const before = await fake.chain.balances(fake.identity.wallet.address)
    await town.chain.advance(credit.config.delay)
    await fake.chain.finalizeClose(credit.config)
    const refund = after.deposit - after.settled
    const { ledger } = await fake.chain.balances(fake.identity.wallet.address)
    expect(ledger - before.ledger).toBe(refund)
    expect(refund).toBe(credit.deposit - credit.settled)
  })

  it('behaviour: this device’s own exit keeps its earnings out of the channel it leaves', async () => {
    const { honest, debt } = await createPair()
    expect(await honest.device.channels.leave(debt.id)).toMatchObject({ status: 'exiting' })
    expect(await round(honest)).toEqual({ rings: [], unanswered: [] })
  })

  it('behaviour: a voucher above its deposit counts for its deposit, ring after ring', async () => {
    const friends = { setOff: 'friends' } as const
    const members = await createMembers(town, [friends, friends, friends])
    const [a, liar, c] = members as [Member, Member, Member]
    await owe(a, liar, 350)
    await owe(liar, c, 20, 256n)
    await owe(c, a, 400)
    const chain = chainOf(town, (await deriveIdentity(createPhrase(systemRandom), 0)).wallet)
    const far = await rowBetween(liar, c)
    const near = await rowBetween(a, liar)
    const owed = await rowBetween(c, a)
    const worth = async () => {
      const seen = await Promise.all([near, owed].map(({ id }) => chain.channel(id)))
      return seen[0]!.deposit - near.cumulative + owed.cumulative - seen[1]!.settled
    }
    const before = await worth()
    const total = 5_000n
    const other = await deriveIdentity(c.phrase, 0)
    await using fake = await becomeLiar(liar, async (request) => {
      const deadline = inAnHour()
      if (request.kind === 'close') {
        const { signature } = await signAcknowledgement(other.wallet, far, { total, deadline })
        const voucher = await signVoucher(fake.identity.voucherSigner, far, total)
        const config = configMessage(far.config)
        const debt = { config, total, deadline, voucher, acknowledgement: signature }
        return { kind: 'closing', debts: [debt] }
      }
      const words = { total: near.cumulative, deadline }
      const signed = await signAcknowledgement(fake.identity.wallet, near, words)
      const one = { channelId: from0x(near.id), reach: 'friends' as const, ...signed }
      const matches = request.kind === 'ask' ? request.debtors : []
      return { kind: 'answer', acknowledgements: [one], matches }
    })
    const { rings } = await round(a)
    expect(rings.map(({ result }) => result)).toEqual(['done', 'done'])
    expect(rings.map(({ amount }) => amount)).toEqual([256n, unsettled(near) - 256n])
    const seen = await chain.channel(far.id)
    expect(seen.settled).toBe(unsettled(near))
    expect(seen.deposit - seen.settled).toBe(far.deposit - far.settled)
    for (const { device } of [a, c]) await device.keeper!.refresh()
    expect(unsettled(await rowBetween(a, liar, a))).toBe(0n)
    // The liar owes more than it did, as it signed; the two others have what they had.
    expect(await worth()).toBe(before)
  })

  it('behaviour: a friend learns of no debt that closes no ring, and nobody asks without end', async () => {
    const friends = { setOff: 'friends' } as const
    const members = await createMembers(town, [friends, friends, friends])
    const [liar, b, c] = members as [Member, Member, Member]
    await owe(liar, b, 20)
    await owe(b, c, 20)
    await b.device.setOff.round()
    await using fake = await becomeLiar(liar)
    const salt = systemRandom(16)
    const ask = async (debtors: Uint8Array[]) => fake.say(b, { kind: 'ask', salt, debtors })
    const name = debtorHash(salt, from0x(accountOf(c.device)))
    const strange = debtorHash(salt, systemRandom(20))
    expect(await ask([strange])).toMatchObject({ acknowledgements: { length: 1 }, matches: [] })
    // That somebody has debts to a given account is all that may be guessed.
    expect(await ask([strange, name])).toMatchObject({ matches: [name] })
    const own = (await rowBetween(liar, b, b)).config
    const made = { ...own, payer: accountOf(c.device), payee: accountOf(liar.device) }
    const shown = async (config: ChannelConfig) =>
      fake.say(b, { kind: 'close', channels: [configMessage(config)] })
    const nothing = { kind: 'closing', debts: [] }
    expect(await shown(made)).toEqual(nothing)
    expect(await shown((await rowBetween(b, c)).config)).toEqual(nothing)
    expect(await shown(own)).toEqual(nothing)
    // Twelve questions a minute, whatever they are.
    const kinds: string[] = []
    for (let i = 0; i < 13; i++) kinds.push((await ask([])).kind)
    expect(kinds.at(-1)).toBe('refuse')
    expect(kinds.filter((kind) => kind === 'answer').length).toBeLessThanOrEqual(12)
  })
})
