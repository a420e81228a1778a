import tab from '@bomb.sh/tab/commander'
import { Command } from 'commander'
import { BUNDLED } from '../models/acorn.ts'
import { auditCommand } from './commands/audit.ts'
import { chainCommand } from './commands/chain.ts'
import { configCommand } from './commands/config.ts'
import { cpCommand } from './commands/cp.ts'
import { demoCommand } from './commands/demo.ts'
import { fitCommand } from './commands/fit.ts'
import { importCommand } from './commands/import.ts'
import { ledgerCommand } from './commands/ledger.ts'
import { lendCommand } from './commands/lend.ts'
import { listCommand } from './commands/list.ts'
import { modelsCommand } from './commands/models.ts'
import { offersCommand } from './commands/offers.ts'
import { psCommand } from './commands/ps.ts'
import { pullCommand } from './commands/pull.ts'
import { rmCommand } from './commands/rm.ts'
import { runCommand } from './commands/run.ts'
import { serveCommand } from './commands/serve.ts'
import { serviceCommand } from './commands/service.ts'
import { showCommand } from './commands/show.ts'
import { shrinkCommand } from './commands/shrink.ts'
import { stopCommand } from './commands/stop.ts'
import { walletCommand } from './commands/wallet.ts'

/** The program as it is typed: every command, its options, and completion for shells. */
export function createProgram(): Command {
  const program = new Command('freehold')
    .description('Own your AI: answers from your own device, or borrowed from a peer and checked.')
    .version('0.1.0', '-v, --version')
    .showSuggestionAfterError()
  for (const make of [
    runCommand,
    serveCommand,
    psCommand,
    stopCommand,
    pullCommand,
    listCommand,
    showCommand,
    rmCommand,
    cpCommand,
    importCommand,
    modelsCommand,
    fitCommand,
    shrinkCommand,
    lendCommand,
    offersCommand,
    ledgerCommand,
    auditCommand,
    walletCommand,
    chainCommand,
    configCommand,
    serviceCommand,
    demoCommand,
  ]) {
    program.addCommand(make())
  }
  completeInShells(program)
  overrideExits(program)
  return program
}

function completeInShells(program: Command): void {
  const completion = tab(program, { completionCommandName: 'completion' })
  for (const { arguments: args } of completion.commands.values()) {
    const model = args.get('model')
    if (model === undefined) continue
    model.handler = (complete) => {
      for (const name of Object.keys(BUNDLED)) complete(name, 'bundled')
    }
  }
}

/** Commander ends the process by itself otherwise, before what is open has been closed. */
function overrideExits(command: Command): void {
  command.exitOverride()
  for (const sub of command.commands) overrideExits(sub)
}
