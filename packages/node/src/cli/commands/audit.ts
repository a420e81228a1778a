import type { AuditReport } from '@freehold/core/device/audits'
import { UsageError } from '@freehold/core/errors'
import { Command } from 'commander'
import { type GlobalOptions, interruptSignal, openCliDevice, withGlobals } from '../context.ts'
import { print, printJson } from '../output.ts'

interface AuditOptions extends GlobalOptions {
  model?: string
}

export function auditCommand(): Command {
  const command = new Command('audit')
    .description('Check a borrowed answer by replaying it on this device')
    .argument('<receipt>', 'its request id, or the first digits of it (see: freehold ledger)')
    .option('--model <model>', 'name or path of the model here', 'acorn')
    .action((receipt: string, options: AuditOptions) => audit(receipt, options))
  return withGlobals(command)
}

async function audit(receipt: string, options: AuditOptions): Promise<void> {
  const signal = interruptSignal()
  // An audit reads what is on this disk: no keys and no network.
  await using device = await openCliDevice({ listen: null, needsKeys: false })
  const ids = (await device.tables.answers.list()).map(([id]) => id)
  const found = ids.filter((id) => id.startsWith(receipt.toLowerCase()))
  const [id] = found
  if (id === undefined || found.length > 1) {
    const what = found.length > 1 ? 'several receipts start so' : `there is no receipt ${receipt}`
    throw new UsageError({ what, next: 'List them with: freehold ledger' })
  }
  await device.model(options.model ?? 'acorn')
  const report = await device.audits.audit(id, { signal })
  if (options.json) printJson(report)
  else print(explain(report))
}

/** A verdict with its numbers, in a few lines. */
export function explain({ record, audit, pooled, pool, deterrence }: AuditReport): string {
  const { statistics } = audit
  const { p, d, lossUnits, gainUnits, isDeterred } = deterrence
  const lines = [
    `${audit.verdict}: ${audit.why}`,
    `  positions ${statistics.positions}, mean clipped margin ${statistics.meanClippedMargin.toFixed(4)}, ` +
      `own choice at ${(100 * statistics.matches).toFixed(1)} %, hard ${statistics.hard}, out ${statistics.out}`,
    `  pool of this lender and model: ${pooled}, ${pool.answers} answers, ${pool.tokens} tokens` +
      Object.entries(pool.llr)
        .map(([kind, llr]) => `, ${kind} ${llr.toFixed(1)}`)
        .join(''),
    `  p·d·L ≥ g: ${p.toFixed(2)} · ${d.toFixed(2)} · ${lossUnits} = ${(p * d * lossUnits).toFixed(0)} ` +
      `${isDeterred ? '≥' : '<'} ${gainUnits}: cheating ${isDeterred ? 'does not pay' : 'would pay'}`,
  ]
  if (statistics.lpMeanDelta !== null) {
    lines.splice(
      2,
      0,
      `  log-probabilities differ by ${statistics.lpMeanDelta.toFixed(4)} on average`,
    )
  }
  if (record.end !== 'receipt') lines.push(`  the answer broke off: ${record.end}`)
  return lines.join('\n')
}
