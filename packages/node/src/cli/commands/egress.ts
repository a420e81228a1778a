import { FreeholdError } from '@freehold/core/errors'
import { peerNameOf } from '@freehold/core/identity/peer-name'
import type { EgressEntry } from '@freehold/core/routing/egress-log'
import type { Command } from 'commander'
import { type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { print, printJson, redactedText, safe, say, table } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface EgressOptions extends GlobalOptions {
  verify?: boolean
  limit: number
}

const DEFAULT_LIMIT = 20

export function egressCommand(command: Command): void {
  command
    .option('--verify', 'check that no entry was changed or removed; exit status 1 when one was')
    .option('--limit <number>', 'show the last so many', wholeNumber, DEFAULT_LIMIT)
    .action((options: EgressOptions) => egress(options))
  withGlobals(command)
}

async function egress(options: EgressOptions): Promise<void> {
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const all = await device.egress.entries()
  const broken = options.verify ? await device.egress.verify() : null
  const shown = all.slice(-options.limit)
  if (options.json) {
    const verified = options.verify ? { holds: broken === null, brokenAt: broken } : {}
    printJson({ entries: shown, of: all.length, ...verified })
    if (broken !== null) process.exitCode = 1
    return
  }
  show(shown, all.length)
  if (broken !== null) throw doesNotHold(broken, all)
  if (options.verify) say(`All ${all.length} entries are as they were written.`)
}

function show(shown: readonly EgressEntry[], count: number): void {
  const headings = ['#', 'WHEN', 'TO', 'SCOPE', 'BYTES', 'PRICE', 'REPLACED', 'WHY']
  if (count === 0) say('Nothing has left this device.')
  else print(table(headings, shown.map(rowOf)))
  if (shown.length < count) say(`The last ${shown.length} of ${count}; --limit shows more.`)
}

function rowOf(entry: EgressEntry): string[] {
  return [
    String(entry.index),
    new Date(entry.timeMs).toISOString().slice(0, 19).replace('T', ' '),
    safe(peerNameOf(entry.to)),
    entry.scope,
    String(entry.sizeBytes),
    entry.priceUnits,
    redactedText(entry.redacted) || '-',
    safe(entry.why),
  ]
}

function doesNotHold(broken: number, all: readonly EgressEntry[]): FreeholdError {
  const entry = all[broken]
  return new FreeholdError({
    what: 'the egress log does not hold',
    why:
      entry === undefined
        ? `its last entries, from ${broken} on, are missing`
        : `entry ${broken} is not what was written, or one before it is missing`,
    next: 'What stands before it is as it was written; do not trust what follows',
  })
}
