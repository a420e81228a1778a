import { isKind, type Kind } from '@freehold/core/routing/detect/finding'
import { kindNames } from '@freehold/core/routing/rules'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { add, withGlobals } from '../context.ts'
import type { RunOptions } from '../run-model.ts'

export function runCommand(command: Command): void {
  command
    .argument(
      '[model]',
      'name of a model (freehold list), path of a GGUF file, or name or id of a lent model; without one the default model, at first acorn',
    )
    .argument('[prompt...]', 'the question; without one it is read from a pipe, or you chat')
    .addOption(
      new Option('--scope <scope>', 'how far the request may travel')
        .choices(['device', 'own', 'friends', 'market'])
        .default('device'),
    )
    .addOption(
      new Option('--via <where>', 'where the answer should come from')
        .choices(['auto', 'here', 'peer'])
        .default('auto'),
    )
    .option(
      '--send <kind>',
      'let what looks like this travel as it is, such as mail or phone; again for more',
      kind,
      [],
    )
    .option('--peer <address>', 'a lender to ask besides the known ones; again for more', add, [])
    .option('--temperature <number>', '0 to 2', number(0, 2), 0.8)
    .option('--max-tokens <number>', 'most tokens of the answer', whole(1, 16_384))
    .option('--max-price <units>', 'most token units that a borrowed answer may cost', units)
    .option('--yes', 'borrow for money although no limit was ever set (freehold wallet limits)')
    .option(
      '--seed <text>',
      'repeats an own answer, which this process computes by the sampler that audits use',
    )
    .option('--system <text>', 'system message')
    .option('--verbose', 'say afterwards how it went')
    .option('--no-resident', 'answer in this process, and start none in the background')
    .action(async (model: string | undefined, prompt: string[], options: RunOptions) => {
      const { runModel } = await import('../run-model.ts')
      await runModel(model, prompt, options)
    })
  withGlobals(command)
}

function whole(least: number, most: number) {
  return (text: string): number => {
    if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text)
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`)
  }
}

/** One kind each time: nobody lets everything travel by one word. */
function kind(word: string, before: readonly Kind[]): readonly Kind[] {
  if (isKind(word) && word !== 'text') return [...before, word]
  throw new InvalidArgumentError(`It is one of ${kindNames().join(', ')}.`)
}

function units(text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text)
  throw new InvalidArgumentError('It is a whole number of token units.')
}

function number(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() !== '' && value >= least && value <= most) return value
    throw new InvalidArgumentError(`It is a number from ${least} to ${most}.`)
  }
}
