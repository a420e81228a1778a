import { fromHex } from '@freehold/core/bytes'
import { isPairLink, readPairLink } from '@freehold/core/device/pair-link'
import type { Paired, PairQuestion } from '@freehold/core/device/pairing'
import { UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { say } from '../words/words.ts'
import type { Member } from './member.ts'

export interface PairDeviceInit {
  /** As the other device shows it, or as its camera code was opened. */
  link: string
  /** What the person calls the other device; it is not sent. */
  name: string
  confirm: (question: PairQuestion, init: { signal: AbortSignal }) => Promise<boolean>
}

/**
 * Uses the link that another device shows. The device of this tab is opened anew: it may have another owner now.
 * @throws UsageError, IdentityError, LendingError: nothing is kept then
 */
export async function pairDevice(member: Member, init: PairDeviceInit): Promise<Paired> {
  if (!isPairLink(init.link)) throw new UsageError({ what: say('noPairLink') })
  const { as, code, addresses } = readPairLink(init.link)
  const { name, confirm } = init
  const paired = await member.use((device) =>
    device.pairing.join({
      ...{ as, code, addresses, name, confirm },
      keep: async (done) => {
        if (done.as === 'friend') await member.note({ friends: withFriend(member, done) })
      },
    }),
  )
  await member.change({})
  return paired
}

function withFriend({ settings }: Member, { device }: Paired): string[] {
  return [...new Set([...settings.value.friends, peerName(fromHex(device))])]
}
