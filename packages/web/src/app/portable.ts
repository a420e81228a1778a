import type { Ceilings } from '@freehold/core/clearing/budget'
import { peerKey } from '@freehold/core/identity/peer-name'
import type { Chat } from '../chats/chat.ts'
import { chatsOf } from '../chats/portable-chats.ts'
import { fail, list, parse, record, string } from '../chats/read-json.ts'
import { chainOf, type MemberSettings, relaysOf, unitsOf } from '../member/member-settings.ts'
import { type Preferences, preferencesOf } from './preferences.ts'

const FORMAT = 'freehold-app'
const VERSION = 1

/**
 * What a person takes along to another device. Keys, vouchers and receipts are not: they are of one device, and
 * money that is written down twice is lost. Nor is lending, which a device does when it is told to.
 */
export interface Portable {
  chats: readonly Chat[]
  preferences: Preferences
  settings: PortableSettings
}

export type PortableSettings = Pick<MemberSettings, 'chain' | 'ceilings' | 'friends' | 'relays'>

/** All of it as JSON that `importAll` reads; amounts are digits. */
export function exportAll({ chats, preferences, settings }: Portable): string {
  const { chain, ceilings, friends, relays } = settings
  const whole = {
    ...{ format: FORMAT, version: VERSION, chats, preferences },
    settings: { chain, ceilings, friends, relays },
  }
  const digits = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)
  return JSON.stringify(whole, digits, 2)
}

/**
 * Reads what `exportAll` wrote. Fields that nobody knows are left out; nothing is guessed.
 * @throws FreeholdError saying what is wrong and where
 */
export function importAll(text: string): Portable {
  const whole = record(parse(text), 'the file')
  if (whole.format !== FORMAT) fail('this app did not write it', `format is not "${FORMAT}"`)
  if (whole.version !== VERSION)
    fail('it was written by another version', `${String(whole.version)}`)
  return {
    chats: chatsOf(whole.chats),
    preferences: preferencesOf(record(whole.preferences, 'preferences')),
    settings: settingsOf(record(whole.settings, 'settings')),
  }
}

function settingsOf(row: Record<string, unknown>): PortableSettings {
  const strings = (name: string) =>
    list(row[name], `settings.${name}`).map((one) => string(one, `settings.${name}`))
  const friends = strings('friends')
  for (const friend of friends) {
    try {
      peerKey(friend)
    } catch {
      fail('settings.friends', `${friend} names no device`)
    }
  }
  const { chain, ceilings } = row
  return {
    chain: chain === null ? null : chainRead(record(chain, 'settings.chain')),
    ceilings: ceilings === null ? null : ceilingsOf(record(ceilings, 'settings.ceilings')),
    friends,
    relays: relaysOf(strings('relays').join('\n')),
  }
}

function chainRead({ rpc, chainId, house, token }: Record<string, unknown>) {
  const text = (value: unknown, name: string) => string(value, `settings.chain.${name}`)
  return chainOf({
    rpc: text(rpc, 'rpc'),
    chainId: String(chainId),
    house: text(house, 'house'),
    token: text(token, 'token'),
  })
}

function ceilingsOf({ perRequest, perDay }: Record<string, unknown>): Ceilings {
  const amount = (value: unknown) =>
    value === null ? null : unitsOf(string(value, 'settings.ceilings'))
  return { perRequest: amount(perRequest), perDay: amount(perDay) }
}
