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

export function makePairLink({ code, as, addresses }: PairLink): string {
  const query = addresses.map((address) => `&at=${encodeURIComponent(address)}`).join('')
  return `${SCHEME}${code}?as=${as}${query}`
}

/** Whether a person pasted a link rather than typed a code. */
export function isPairLink(text: string): boolean {
  return text.trim().startsWith(SCHEME)
}

/** @throws UsageError when it makes no sense, IdentityError when its code does not */
export function readPairLink(text: string): PairLink {
  const [code = '', query = ''] = text.trim().slice(SCHEME.length).split('?')
  const asked = new URLSearchParams(query)
  const as = asked.get('as')
  const addresses = asked.getAll('at')
  const isWhole = (as === 'own' || as === 'friend') && addresses.length > 0
  if (!isPairLink(text) || !isWhole) {
    throw new UsageError({ what: 'this is no pairing link', next: 'freehold pair shows one' })
  }
  return { code: readPairCode(code), as, addresses }
}
