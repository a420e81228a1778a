import { Command } from 'commander'
import { VERSION } from '../version.ts'
import { COMMANDS } from './commands.ts'

/**
 * The program as it is typed. Only the command that `args` names is loaded; of the others help knows
 * name and description.
 * @param args what stands behind `freehold`; without it every command is loaded
 */
export async function createProgram(args?: readonly string[]): Promise<Command> {
  const meant = args && meantBy(args)
  const program = new Command('freehold')
    .description('Own your AI: answers from your own device, or borrowed from a peer and checked.')
    .version(VERSION, '-v, --version')
    .showSuggestionAfterError()
    // The same whether a command is loaded or not.
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.aliases()].join('|'),
    })
  for (const { name, alias, description, load } of COMMANDS) {
    const command = program.command(name).description(description)
    if (alias !== undefined) command.alias(alias)
    if (meant === undefined || meant === name || meant === alias) (await load())(command)
  }
  // It takes its words from a shell; who runs another command needs none of it.
  if (args === undefined || /^(?:complet|help$|-|$)/.test(args[0] ?? '')) {
    const { completeInShells } = await import('./completion.ts')
    await completeInShells(program, args)
  }
  overrideExits(program)
  return program
}

/** The word that names a command: that of `help` and of a shell's question comes behind. */
function meantBy(args: readonly string[]): string {
  const [first = '', second = ''] = args.filter((word) => word !== '--')
  return first === 'help' || first === 'complete' ? second : first
}

/** Commander ends the process by itself otherwise, before what is open has been closed. */
function overrideExits(command: Command): void {
  command.exitOverride()
  for (const sub of command.commands) overrideExits(sub)
}
