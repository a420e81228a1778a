import { type Address, isAddressEqual } from 'viem'
import { from0x, toHex } from '../bytes.ts'
import type { ChannelRecord } from '../clearing/channel.ts'
import { readConfig } from '../clearing/config-message.ts'
import { checkDebt } from '../clearing/debt.ts'
import { MAY_SET_OFF } from '../clearing/rings.ts'
import { channelIdOf } from '../clearing/typed-data.ts'
import { ClearingError, FreeholdError } from '../errors.ts'
import { plainText } from '../lending/duplex.ts'
import type { MessageStream } from '../mesh/frames-over-stream.ts'
import {
  debtorHash,
  decodeSetOffRequest,
  encodeSetOffReply,
  MAX_SET_OFF_CHANNELS,
  type SetOffReply,
  type SetOffRequest,
} from '../wire/set-off-messages.ts'
import { debtMessage, readDebt } from './debt-message.ts'
import type { Parts } from './parts.ts'
import { createRateLimit } from './rate-limit.ts'
import type { SetOffBook } from './set-off-book.ts'

const REQUEST_MS = 10_000
/** Two rounds of a keeper's a minute would do; each costs some signatures. */
export const SET_OFFS_ASKED = { windowMs: 60_000, perDevice: 12, inAll: 240 }
/** Each may cost gas, though it also clears what this device owes. */
export const SET_OFFS_SUBMITTED = { windowMs: 600_000, perDevice: 3, inAll: 12 }

type Ask = Extract<SetOffRequest, { kind: 'ask' }>
type Close = Extract<SetOffRequest, { kind: 'close' }>
type Submit = Extract<SetOffRequest, { kind: 'submit' }>
type Answer = Extract<SetOffReply, { kind: 'answer' }>
type Closing = Extract<SetOffReply, { kind: 'closing' }>

/** What others may ask of a device that takes part in set-offs. */
export interface SetOffDesk {
  /** Answers the one request of a stream. */
  serve(messages: MessageStream, peer: Uint8Array): Promise<void>
}

export function createSetOffDesk(
  book: SetOffBook,
  { clock, log }: Pick<Parts, 'clock' | 'log'>,
): SetOffDesk {
  const { chain, holds, identity } = book
  const asked = createRateLimit(SET_OFFS_ASKED, clock)
  const submitted = createRateLimit(SET_OFFS_SUBMITTED, clock)

  async function answer({ salt, debtors }: Ask, peer: string): Promise<SetOffReply> {
    const [owed, owing] = await Promise.all([book.owed(), book.owing()])
    const reach = await book.reachOf(peer)
    const theirs = owed.filter((record) => record.peer === peer)
    const isMutual = owing.some((record) => record.peer === peer)
    const reply: Answer = { kind: 'answer', acknowledgements: [], matches: [] }
    if (theirs.length === 0 || (reach === 'pairs' && !isMutual)) return reply

    const wanted = new Set(debtors.map(toHex))
    for (const { config } of reach === 'friends' ? owing.filter(mayClose(peer)) : []) {
      const hash = debtorHash(salt, from0x(config.payee))
      if (wanted.delete(toHex(hash))) reply.matches.push(hash)
    }
    reply.matches.splice(MAX_SET_OFF_CHANNELS)
    // Only what a ring may be made of at once is held back from rings of this device's own.
    const isForNow = isMutual || reply.matches.length > 0
    for (const record of theirs.slice(0, MAX_SET_OFF_CHANNELS)) {
      if (isForNow && !holds.take(record.id, peer)) continue
      const { total, deadline, signature } = await book.acknowledge(record)
      const channelId = from0x(record.id)
      reply.acknowledgements.push({ channelId, total, deadline, signature, reach })
    }
    return reply
  }

  /** Debts to others whose acknowledgements may be passed on to `peer`. */
  const mayClose =
    (peer: string) =>
    ({ id, peer: payee }: ChannelRecord): boolean =>
      payee !== peer && book.kept(id)?.reach === 'friends'

  /** Shows what this device owes to those who pay the asker, as far as the chain says that they do. */
  async function close({ channels }: Close, peer: string): Promise<SetOffReply> {
    const [owed, owing] = await Promise.all([book.owed(), book.owing()])
    const payee = owed.find((record) => record.peer === peer)?.config.payer
    const reply: Closing = { kind: 'closing', debts: [] }
    if (payee === undefined || (await book.reachOf(peer)) !== 'friends') return reply
    const debtors = new Set<string>()
    for (const config of channels.map(readConfig)) {
      const isFlagged = (config.flags & MAY_SET_OFF) !== 0
      if (!isFlagged || !isAddressEqual(config.payee, payee)) continue
      // Else anybody's debts could be asked for. The voucher itself is for those in the ring, once
      // there is one.
      const seen = await chain.channel(channelIdOf(chain.house, config))
      if (seen.status === 'open' && seen.deposit > seen.settled) debtors.add(keyOf(config.payer))
    }
    for (const record of owing.filter(mayClose(peer))) {
      const acknowledged = book.kept(record.id)
      if (acknowledged === null || !debtors.has(keyOf(record.config.payee))) continue
      if (reply.debts.length === MAX_SET_OFF_CHANNELS || !holds.take(record.id, peer)) continue
      reply.debts.push(debtMessage(await book.debtOwing(record, acknowledged)))
    }
    return reply
  }

  /** Submits a ring that this device is in, for one of its neighbours who has no native coin. */
  async function submit(request: Submit, peer: string): Promise<SetOffReply> {
    const ring = request.ring.map(readDebt)
    const account = identity.wallet.address
    const fail = (why: string): never => {
      throw new ClearingError({ what: 'this ring is not submitted', why })
    }
    if (request.amount < (await book.least())(ring.length)) fail('it is not worth its gas here')
    if (ring.length > 2 && (await book.reachOf(peer)) !== 'friends') fail('you are no friend')
    const own = new Map(
      [...(await book.owed()), ...(await book.owing())].map((record) => [record.id, record]),
    )
    const found: typeof own = new Map()
    for (const debt of ring) {
      const { payer, payee, flags } = debt.config
      if ((flags & MAY_SET_OFF) === 0) fail('a channel does not let itself be set off')
      const id = await checkDebt(chain.house, debt)
      const record = own.get(id)
      if (record !== undefined) found.set(id, record)
      else if (isAddressEqual(payer, account) || isAddressEqual(payee, account)) {
        fail('it has a channel of this device that is not to be set off')
      }
    }
    const roles = new Set([...found.values()].map(({ role }) => role))
    if (found.size !== 2 || roles.size !== 2) fail('this device is not in it')
    const isNeighbour = [...found.values()].some((record) => record.peer === peer)
    if (!isNeighbour) fail('you are not beside this device in it')
    const { feeWei } = await chain.setOffCost(ring, request.amount)
    if ((await chain.balances(account)).native < feeWei) fail('this device has no coin for the gas')
    submitted.take(peer, 1)
    const { hash } = await chain.setOff(ring, request.amount)
    for (const id of found.keys()) await book.look(id)
    return { kind: 'submitted', transaction: from0x(hash) }
  }

  async function reply(request: SetOffRequest, peer: string): Promise<SetOffReply> {
    try {
      asked.take(peer, 1)
      switch (request.kind) {
        case 'ask':
          return await answer(request, peer)
        case 'close':
          return await close(request, peer)
        case 'submit':
          return await submit(request, peer)
      }
    } catch (error) {
      log('set-off.refused', { error: String(error) })
      const why = error instanceof FreeholdError ? error.message : 'it failed here'
      return { kind: 'refuse', why: plainText(why) }
    }
  }

  return {
    serve: async (messages, peer) => {
      const data = await messages.read({ signal: AbortSignal.timeout(REQUEST_MS) })
      if (data === null) return
      const request = decodeSetOffRequest(data)
      await messages.write(encodeSetOffReply(await reply(request, toHex(peer))))
      await messages.close()
    },
  }
}

function keyOf(account: Address): string {
  return account.toLowerCase()
}
