import { toHex } from '@freehold/core/bytes'
import { UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import { encodeInvitation } from '@freehold/core/wire/invitation'
import type { Command } from 'commander'
import { type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { finiteDuration } from '../duration-option.ts'
import { print, printJson, say } from '../output.ts'
import { qrText } from '../qr-text.ts'

interface InviteOptions extends GlobalOptions {
  name?: string
  expires?: number
  qr: boolean
}

/** More would make a code that no screen of a terminal holds. */
const MOST_ADDRESSES = 4
const LOOPBACK = /^\/(?:ip4\/127\.|ip6\/::1\/)/

export function inviteCommand(command: Command): void {
  command
    .argument('[address...]', 'where others reach this device, instead of where it last listened')
    .option('--name <name>', 'what others shall call it')
    .option('--expires <time>', 'how long the link is good, such as 24h', finiteDuration)
    .option('--no-qr', 'print the link alone')
    .action((addresses: string[], options: InviteOptions) => invite(addresses, options))
  withGlobals(command)
}

async function invite(given: string[], options: InviteOptions): Promise<void> {
  const expiresAtMs = options.expires === undefined ? null : Date.now() + options.expires
  await using device = await openCliDevice({ listen: null, needsKeys: true })
  const key = device.identity?.device ?? new Uint8Array()
  const own = (await device.tables.contacts.get(toHex(key)))?.addresses ?? []
  const all = given.length > 0 ? given : own.map(({ address }) => address)
  // Others on this machine need no invitation.
  const far = all.filter((address) => !LOOPBACK.test(address))
  const addresses = (far.length > 0 ? far : all).slice(0, MOST_ADDRESSES)
  if (addresses.length === 0) {
    throw new UsageError({
      what: 'it is not known where others reach this device',
      why: 'it has not listened yet',
      next: 'Start freehold lend --listen ADDRESS first, or name an address: freehold invite ADDRESS',
    })
  }
  const name = options.name ?? null
  const link = encodeInvitation({ device: key, addresses, name, expiresAtMs })
  if (options.json) {
    return printJson({ link, device: peerName(key), addresses, name, expiresAtMs })
  }
  if (options.qr) say(qrText(link))
  if (far.length === 0) say('Careful: only this machine reaches these addresses.')
  say('Others follow it with: freehold join LINK')
  print(link)
}
