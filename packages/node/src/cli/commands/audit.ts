import { fromHex } from '@freehold/core/bytes'
import type { AuditReport } from '@freehold/core/device/audits'
import type { Device } from '@freehold/core/device/device'
import type { AnswerRecord } from '@freehold/core/device/records'
import { UsageError } from '@freehold/core/errors'
import { peerName } from '@freehold/core/identity/peer-name'
import type { Command } from 'commander'
import { add, type GlobalOptions, interruptSignal, openCliDevice, withGlobals } from '../context.ts'
import { counted } from '../format.ts'
import { print, printJson } from '../output.ts'

interface AuditOptions extends GlobalOptions {
  model?: string
  peer: string[]
}

export function auditCommand(command: Command): void {
  command
    .argument('<receipt>', 'its request id, or the first digits of it (see: freehold ledger)')
    .option('--model <model>', 'name or path of the model here; without it acorn, or your devices')
    .option('--peer <address>', 'a device of yours that lends the model; again for more', add, [])
    .action((receipt: string, options: AuditOptions) => audit(receipt, options))
  withGlobals(command)
}

async function audit(receipt: string, options: AuditOptions): Promise<void> {
  const signal = interruptSignal()
  const report =
    (await auditHere(receipt, options, signal)) ?? (await auditElsewhere(receipt, options, signal))
  if (options.json) printJson(report)
  else print(explain(report))
}

/** Reads what is on this disk: no keys and no network. @returns null when the model is not here */
async function auditHere(
  receipt: string,
  options: AuditOptions,
  signal: AbortSignal,
): Promise<AuditReport | null> {
  await using device = await openCliDevice({
    listen: null,
    needsKeys: false,
    models: options.models,
  })
  const { id, modelId, modelName } = await findReceipt(device, receipt)
  const { info } = await device.model(options.model ?? 'acorn')
  if (info.modelId === modelId) return await device.audits.audit(id, { signal })
  if (options.model === undefined) return null
  throw new UsageError({
    what: `${options.model} is another model than ${modelName}`,
    why: `the answer is by ${modelId}`,
  })
}

async function auditElsewhere(
  receipt: string,
  options: AuditOptions,
  signal: AbortSignal,
): Promise<AuditReport> {
  await using device = await openCliDevice({ listen: [], needsKeys: true, models: options.models })
  for (const address of options.peer) await device.peers.ask(address, { signal })
  return await device.audits.audit((await findReceipt(device, receipt)).id, { signal })
}

async function findReceipt({ tables }: Device, receipt: string): Promise<AnswerRecord> {
  const records = (await tables.answers.list()).map(([, record]) => record)
  const found = records.filter(({ id }) => id.startsWith(receipt.toLowerCase()))
  const [record] = found
  if (record !== undefined && found.length === 1) return record
  const what = found.length > 1 ? 'several receipts start so' : `there is no receipt ${receipt}`
  throw new UsageError({ what, next: 'List them with: freehold ledger' })
}

/** A verdict with its numbers, in a few lines. */
export function explain({ record, audit, auditor, pooled, pool, deterrence }: AuditReport): string {
  const { statistics } = audit
  const { p, d, lossUnits, gainUnits, isDeterred } = deterrence
  const lines = [
    `${audit.verdict}: ${audit.why}`,
    `  positions ${statistics.positions}, mean clipped margin ${statistics.meanClippedMargin.toFixed(4)}, ` +
      `own choice at ${(100 * statistics.matches).toFixed(1)} %, hard ${statistics.hard}, out ${statistics.out}`,
    `  pool of this lender and model: ${pooled}, ${counted(pool.answers, 'answer')}, ${pool.tokens} tokens` +
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
  if (auditor !== null) lines.push(`  replayed by your device ${peerName(fromHex(auditor))}`)
  if (record.end !== 'receipt') lines.push(`  the answer broke off: ${record.end}`)
  return lines.join('\n')
}
