import type { Ceilings } from '@freehold/core/clearing/budget'
import type { ChainSettings } from '@freehold/core/clearing/rpc-chain'
import { UsageError } from '@freehold/core/errors'
import type { Rung } from '@freehold/core/routing/route'
import { say } from '../words/words.ts'

/** What the owner set for dealing with others. */
export interface MemberSettings {
  /** null: nothing is paid and nothing is earned. */
  chain: ChainSettings | null
  /** null: not said yet; asked before the first answer that costs something. */
  ceilings: Ceilings | null
  /** Peer ids of devices that the owner calls friends. */
  friends: readonly string[]
  /** null: this tab lends to nobody. */
  lend: LendSettings | null
  /** Relays at which others reach this tab, which nobody can dial. */
  relays: readonly string[]
}

/** How a tab lends. */
export interface LendSettings {
  to: Rung
  /** Only while the device is charging; where the browser does not tell, never then. */
  onlyCharging: boolean
  /** Token units for a million tokens written, of strangers; a fifth of it for what is read. */
  price: number
}

export const NO_SETTINGS: MemberSettings = {
  ...{ chain: null, ceilings: null, friends: [], lend: null, relays: [] },
}

/** One relay a line. @throws UsageError naming what is none */
export function relaysOf(text: string): string[] {
  const relays = text.split(/\s+/).filter(Boolean)
  const strange = relays.find((one) => !/^\/.+\/p2p\/[1-9A-HJ-NP-Za-km-z]+$/.test(one))
  if (strange !== undefined) throw new UsageError({ what: say('noRelay', { text: strange }) })
  return relays
}

/** The fields of a chain as a person types them. */
export interface ChainFields {
  rpc: string
  chainId: string
  house: string
  token: string
}

export function fieldsOf(chain: ChainSettings | null): ChainFields {
  if (chain === null) return { rpc: '', chainId: '', house: '', token: '' }
  const { rpc, chainId, house, token } = chain
  return { rpc: [rpc].flat().join(' '), chainId: String(chainId), house, token }
}

/** @returns null when all are empty @throws UsageError naming the field that does not fit */
export function chainOf(fields: ChainFields): ChainSettings | null {
  const [rpc, chainId, house, token] = [fields.rpc, fields.chainId, fields.house, fields.token].map(
    (text) => text.trim(),
  ) as [string, string, string, string]
  if ([rpc, chainId, house, token].every((text) => text === '')) return null
  if (!isRpcUrl(rpc)) throw misfit('chainRpc')
  if (!/^[1-9]\d{0,14}$/.test(chainId)) throw misfit('chainId')
  if (!isAddress(house)) throw misfit('chainHouse')
  if (!isAddress(token)) throw misfit('chainToken')
  return { rpc, chainId: Number(chainId), house, token }
}

/** Whole token units. @returns null when the field is empty @throws UsageError */
export function unitsOf(text: string): bigint | null {
  const digits = text.replace(/[\s_]/g, '')
  if (digits === '') return null
  if (!/^\d{1,38}$/.test(digits)) throw new UsageError({ what: say('noAmount', { text }) })
  return BigInt(digits)
}

/** What the page's own policy can let through: see docs/app.md. */
function isRpcUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost'
  return protocol === 'https:' || (protocol === 'http:' && isHere)
}

export function isAddress(text: string): text is `0x${string}` {
  return /^0x[0-9a-fA-F]{40}$/.test(text)
}

function misfit(field: 'chainRpc' | 'chainId' | 'chainHouse' | 'chainToken'): UsageError {
  return new UsageError({ what: say('fieldMisfit', { field: say(field) }) })
}
