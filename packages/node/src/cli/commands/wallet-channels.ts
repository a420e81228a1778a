import { fromHex } from '@freehold/core/bytes'
import type { ChannelRecord } from '@freehold/core/clearing/channel'
import { dueAmount, paidAmount } from '@freehold/core/clearing/meter'
import { peerName } from '@freehold/core/identity/peer-name'
import { Command } from 'commander'
import { type GlobalOptions, openCliDevice } from '../context.ts'
import { print, printJson, say, table } from '../output.ts'

export function channelsCommand(): Command {
  return new Command('channels')
    .description('list this device’s channels, as its disk knows them')
    .action(list)
}

/** What a person sees of a channel. */
export function shownChannel(record: ChannelRecord) {
  const { id, role, peer, status, deposit, cumulative, settled, relayFee } = record
  const { isLeaving, isRecovered, exitDueAtMs, seenAtMs } = record
  const [due, paid] = [dueAmount(record), paidAmount(record)]
  return {
    ...{ id, role, status, isLeaving, isRecovered },
    // Of a payee's channel that was found on the chain nobody knows yet whose device pays it.
    device: peer === '' ? null : peerName(fromHex(peer)),
    ...{ deposit, due, held: due - paid, paid: cumulative, settled, relayFee },
    ...{ exitDueAtMs, seenAtMs },
  }
}

async function list(options: GlobalOptions): Promise<void> {
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const channels = (await device.tables.channels.list()).map(([, record]) => shownChannel(record))
  if (options.json) return printJson(channels)
  if (channels.length === 0) return say('There is no channel yet')
  const rows = channels.map((one) => [
    ...[one.id.slice(0, 12), one.role, one.isLeaving ? `${one.status}, left` : one.status],
    ...[one.deposit, one.due, one.held, one.paid, one.settled].map(String),
    one.exitDueAtMs === null ? '' : new Date(one.exitDueAtMs).toISOString(),
    one.device ?? 'unknown',
  ])
  const amounts = ['DEPOSIT', 'DUE', 'HELD', 'PAID', 'SETTLED']
  print(table(['CHANNEL', 'ROLE', 'STATUS', ...amounts, 'EXIT DUE', 'DEVICE'], rows))
}
