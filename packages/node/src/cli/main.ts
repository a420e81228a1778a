#!/usr/bin/env node
import { FreeholdError, UsageError } from '@freehold/core/errors'
import { Command, CommanderError } from 'commander'
import { auditCommand } from './commands/audit.ts'
import { demoCommand } from './commands/demo.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { lendCommand } from './commands/lend.ts'
import { offersCommand } from './commands/offers.ts'
import { psCommand } from './commands/ps.ts'
import { runCommand } from './commands/run.ts'
import { serveCommand } from './commands/serve.ts'
import { stopCommand } from './commands/stop.ts'
import { walletCommand } from './commands/wallet.ts'
import { printJson, say } from './output.ts'

/** Exit statuses: 0 done, 1 failed, 2 asked for wrongly, 130 interrupted. */
async function main(args: readonly string[]): Promise<number> {
  const program = new Command('freehold')
    .description('Own your AI: answers from your own device, or borrowed from a peer and checked.')
    .version('0.1.0', '-v, --version')
    .showSuggestionAfterError()
    .exitOverride()
  for (const add of [
    runCommand,
    serveCommand,
    psCommand,
    stopCommand,
    lendCommand,
    offersCommand,
    ledgerCommand,
    auditCommand,
    walletCommand,
    demoCommand,
  ]) {
    program.addCommand(add())
  }
  for (const command of program.commands) {
    command.exitOverride()
    for (const sub of command.commands) sub.exitOverride()
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return report(error, args.includes('--json'))
  }
}

function report(error: unknown, isJson: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Error && error.name === 'AbortError') return 130
  const name = error instanceof Error ? error.name : 'Error'
  const message = error instanceof Error ? error.message : String(error)
  say(`freehold: ${message}`)
  if (isJson) printJson({ error: { name, message } })
  // What nobody foresaw is a defect of ours: show where.
  if (!(error instanceof FreeholdError) && error instanceof Error) say(error.stack ?? '')
  return error instanceof UsageError ? 2 : 1
}

// A reader that went away (`freehold … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})
process.exit(await main(process.argv.slice(2)))
