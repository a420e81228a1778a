import { peerName } from '@freehold/core/identity/peer-name'
import { decodeInvitation } from '@freehold/core/wire/invitation'
import type { Command } from 'commander'
import { type GlobalOptions, interruptSignal, openCliDevice, withGlobals } from '../context.ts'
import { printJson, safe, say } from '../output.ts'

export function joinCommand(command: Command): void {
  command
    .argument('<link>', 'what `freehold invite` printed there')
    .action((link: string, options: GlobalOptions) => join(link, options))
  withGlobals(command)
}

async function join(link: string, options: GlobalOptions): Promise<void> {
  // What is no invitation needs no passphrase.
  const { device: key, addresses } = decodeInvitation(link)
  const signal = interruptSignal()
  await using device = await openCliDevice({
    listen: [],
    needsKeys: true,
    chain: options.chain,
    models: options.models,
  })
  const { name } = await device.discovering.follow(link, { signal })
  let models: string[] = []
  for (const address of addresses) {
    const known = await device.peers.ask(address, { signal }).catch(() => null)
    if (known === null) continue
    models = known.offer.models.map((model) => model.name)
    break
  }
  if (options.json) return printJson({ device: peerName(key), name, models })
  const who = name === null ? peerName(key) : `${safe(name)} (${peerName(key)})`
  say(`${who} is in the peer book: this device finds into the network by it.`)
  say(models.length > 0 ? `It lends ${safe(models.join(', '))}.` : 'It lends nothing now.')
}
