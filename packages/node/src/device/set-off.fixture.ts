/** Devices that owe each other, and what all of them are worth. */
import { toHex } from '@freehold/core/bytes'
import type { Chain } from '@freehold/core/clearing/chain'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { createViemChain } from '@freehold/core/clearing/viem-chain'
import type { Device } from '@freehold/core/device/device'
import type { LendTerms } from '@freehold/core/device/lending'
import type { SetOffReach } from '@freehold/core/device/parts'
import { deriveIdentity, type Identity } from '@freehold/core/identity/identity'
import { peerName } from '@freehold/core/identity/peer-name'
import { createPhrase } from '@freehold/core/identity/phrase'
import { systemClock, systemRandom } from '@freehold/core/platform'
import { http } from 'viem'
import { accountOf, befriend, question, type Town, termsOn, toyEngine } from './town.fixture.ts'

export type Member = Awaited<ReturnType<Town['lender']>>

export interface MemberInit {
  setOff?: SetOffReach | undefined
  /** Which of the others are its friends, by their places. @default all */
  friends?: readonly number[] | undefined
}

/** Enough for each pair and ring of these tests. */
const WORTH_UNITS = 4n

/** Devices that lend; nobody owes anything yet. */
export async function createMembers(
  town: Town,
  inits: readonly MemberInit[],
  terms: Partial<LendTerms> = {},
): Promise<Member[]> {
  const owners = await Promise.all(
    inits.map(async () => {
      const phrase = createPhrase(systemRandom)
      return { phrase, name: peerName((await deriveIdentity(phrase, 0)).device) }
    }),
  )
  const members: Member[] = []
  for (const [i, { phrase }] of owners.entries()) {
    const { setOff, friends } = inits[i] ?? {}
    const areFriends = owners.filter((_, n) => n !== i && (friends?.includes(n) ?? true))
    const device = {
      ...{ engine: toyEngine(), phrase, setOff, keeper: { worthUnits: WORTH_UNITS } },
      friends: areFriends.map(({ name }) => name),
    }
    members.push(await town.lender({ device, payment: termsOn(town.chain.settings, terms) }))
  }
  return members
}

/** A member's device key, hex. */
export function keyOf({ device: { identity } }: Member): string {
  if (identity === null) throw new Error('this device has no keys')
  return toHex(identity.device)
}

/** Lets one device borrow from another until it owes it so many tokens' price and more. */
export async function owe(
  borrower: Member,
  lender: Member,
  tokens: number,
  deposit?: bigint,
): Promise<void> {
  const one = borrower.device
  const peer = keyOf(lender)
  const isKnown = (await rowsOf(one)).some((row) => row.role === 'payer' && row.peer === peer)
  if (!isKnown) await befriend(one, lender.lending, deposit)
  const completion = await one.complete(question({ maxTokens: tokens, lender: peer }))
  if (completion.error) throw completion.error
  await completion.settled
  await one.borrowing.idle()
}

export async function rowsOf(device: Device): Promise<ChannelRecord[]> {
  return (await device.tables.channels.list()).map(([, row]) => row)
}

/** What the only channel that `one` pays `other` by says at `one`, or at `other`. */
export async function rowBetween(one: Member, other: Member, at = one): Promise<ChannelRecord> {
  const [payer, payee] = [accountOf(one.device), accountOf(other.device)]
  const found = (await rowsOf(at.device)).filter(
    ({ config }) => config.payer === payer && config.payee === payee,
  )
  if (found.length !== 1) throw new Error(`${found.length} channels between these two`)
  return found[0] as ChannelRecord
}

/**
 * What everybody has, by the chain and by the vouchers on both disks, which must agree: tokens,
 * ledger, what its deposits hold beyond its debts, and what it is owed. Last what the contract has
 * besides, for others.
 */
export async function worths(town: Town, members: readonly Member[]): Promise<bigint[]> {
  const { wallet: account } = await deriveIdentity(createPhrase(systemRandom), 0)
  const chain = chainOf(town, account)
  const payers = (await Promise.all(members.map(({ device }) => rowsOf(device))))
    .flat()
    .filter(({ role }) => role === 'payer')
  const found = await Promise.all(
    members.map(async ({ device }) => {
      const { wallet, ledger } = await chain.balances(accountOf(device))
      return { account: accountOf(device), worth: wallet + ledger, ledger }
    }),
  )
  let held = found.reduce((sum, { ledger }) => sum + ledger, 0n)
  for (const { id, config, cumulative } of payers) {
    const payee = members.find(({ device }) => accountOf(device) === config.payee)
    const row = await payee?.device.tables.channels.get(id)
    if (row?.cumulative !== cumulative) throw new Error('they do not agree on what is owed')
    const { deposit, settled } = await chain.channel(id)
    held += deposit - settled
    for (const one of found) {
      if (one.account === config.payer) one.worth += deposit - cumulative
      if (one.account === config.payee) one.worth += cumulative - settled
    }
  }
  const { wallet } = await chain.balances(chain.house.address)
  if (wallet < held) throw new Error(`the contract has ${wallet} and must pay ${held}`)
  return [...found.map(({ worth }) => worth), wallet - held]
}

/** The town's chain in the hands of a test. */
export function chainOf(town: Town, account: Identity['wallet']): Chain {
  const { chainId, house: address, token, rpc } = town.chain.settings
  const init = { house: { chainId, address }, token, account }
  return createViemChain(init, { transport: http(rpc), clock: systemClock })
}
