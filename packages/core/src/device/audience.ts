import { equal, fromHex, toHex } from '../bytes.ts'
import { LendingError } from '../errors.ts'
import type { Identity } from '../identity/identity.ts'
import { isCertified } from '../identity/is-certified.ts'
import { peerName } from '../identity/peer-name.ts'
import { isWithin, type Rung } from '../routing/route.ts'
import type { Certificate } from '../wire/certificate.ts'
import type { PairBook } from './pair-book.ts'
import type { Parts } from './parts.ts'

export interface AudienceInit {
  /** How far away who borrows may be. */
  to: Rung
  /** Whether friends pay nothing; own devices never do. */
  friendsFree: boolean
}

/** To whom a device lends, and from whom it takes no money. */
export interface Audience {
  /** Takes up an own device by the certificate that it shows. @returns whether it is one */
  introduce(certificate: Certificate, peer: Uint8Array): Promise<boolean>
  /** @param device key that the connection proved, hex @throws LendingError `standing` when it is not lent to */
  termsFor(device: string): Promise<{ isFree: boolean }>
}

const WORDS: Readonly<Record<Rung, string>> = {
  own: 'devices of its owner',
  friends: 'devices of its owner and of friends',
  market: 'everybody',
}
/** Own devices that have shown their certificate; each owner has few. */
const MAX_INTRODUCED = 1_000

export function createAudience(
  { to, friendsFree }: AudienceInit,
  { identity, friends, pairs }: Pick<Parts, 'friends'> & { identity: Identity; pairs: PairBook },
): Audience {
  const introduced = new Set<string>()

  async function rungOf(device: string): Promise<Rung> {
    const isOwn = introduced.has(device) || (await pairs.isOwn(device))
    if (isOwn && !(await pairs.isRemoved(device))) return 'own'
    return friends.has(peerName(fromHex(device))) ? 'friends' : 'market'
  }

  return {
    introduce: async (certificate, peer) => {
      const isClaimed = equal(certificate.device, peer) && equal(certificate.owner, identity.owner)
      if (!isClaimed || !(await isCertified(certificate))) return false
      if (introduced.size < MAX_INTRODUCED) introduced.add(toHex(peer))
      return (await rungOf(toHex(peer))) === 'own'
    },
    termsFor: async (device) => {
      const rung = await rungOf(device)
      if (!isWithin(to, rung)) {
        throw new LendingError('standing', { what: `this device lends to ${WORDS[to]} only` })
      }
      return { isFree: rung === 'own' || (rung === 'friends' && friendsFree) }
    },
  }
}
