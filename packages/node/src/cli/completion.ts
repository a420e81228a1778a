import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** Arguments that are a model's name. */
const MODEL_ARGUMENTS = ['model', 'models']

/**
 * Adds what shells ask for completions.
 * @param args what stands behind `freehold`: the store is read only when a shell asks
 */
export async function completeInShells(
  program: Command,
  args: readonly string[] = [],
): Promise<void> {
  const completion = tab(program, { completionCommandName: 'completion' })
  if (args[0] !== 'complete') return
  const names = await modelNames()
  const complete = (add: (value: string, description: string) => void) => {
    for (const [name, origin] of names) add(name, origin)
  }
  for (const command of completion.commands.values()) {
    for (const name of MODEL_ARGUMENTS) {
      const argument = command.arguments.get(name)
      if (argument !== undefined) argument.handler = complete
    }
    const option = command.options.get('model')
    if (option !== undefined) option.handler = complete
  }
}

/** Every model that is here, and whose it is. A store that cannot be read completes nothing. */
async function modelNames(): Promise<[name: string, origin: string][]> {
  const { openCliLibrary } = await import('./cli-library.ts')
  try {
    return (await openCliLibrary({}).list()).map(({ name, origin }) => [name, origin])
  } catch {
    return []
  }
}
