import { UsageError } from '../errors.ts'
import { readPairCode } from '../identity/pair-words.ts'
import type { PairedAs } from '../wire/pair-messages.ts'

/** What a pairing link or QR code holds. */
export interface PairLink {
  code: string
  as: PairedAs
  /** Where the device that shows it listens, with its key. */
  addresses: readonly string[]
}

const SCHEME = 'freehold:pair/'
/** As a phone's camera opens it: what comes after `#` is sent to no host. */
const IN_APP = '#/pair/'

export function makePairLink({ code, as, addresses }: PairLink): string {
  // A slash may stand in a query as it is: what a camera reads is to be short.
  const sayAt = (address: string) => `&at=${encodeURIComponent(address).replaceAll('%2F', '/')}`
  return `${SCHEME}${code}?as=${as}${addresses.map(sayAt).join('')}`
}

/** The same link for the web app at `app`. */
export function inApp(link: string, app: string): string {
  return `${app.split('#')[0]}${IN_APP}${link.slice(SCHEME.length)}`
}

/** Addresses that another machine can dial; those of this machine alone where there are no others. */
export function fromOutside(addresses: readonly string[]): readonly string[] {
  const outside = addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return outside.length > 0 ? outside : addresses
}

/** Whether a person pasted a link rather than typed a code. */
export function isPairLink(text: string): boolean {
  return restOf(text) !== null
}

/** @throws UsageError when it makes no sense, IdentityError when its code does not */
export function readPairLink(text: string): PairLink {
  const [code = '', query = ''] = (restOf(text) ?? '').split('?')
  const asked = new URLSearchParams(query)
  const as = asked.get('as')
  const addresses = asked.getAll('at')
  const isWhole = (as === 'own' || as === 'friend') && addresses.length > 0
  if (!isPairLink(text) || !isWhole) {
    throw new UsageError({ what: 'this is no pairing link', next: 'freehold pair shows one' })
  }
  return { code: readPairCode(code), as, addresses }
}

/** What comes after the beginning that tells a link from a code. */
function restOf(text: string): string | null {
  const link = text.trim()
  if (link.startsWith(SCHEME)) return link.slice(SCHEME.length)
  const at = link.indexOf(IN_APP)
  return at < 0 ? null : link.slice(at + IN_APP.length)
}
