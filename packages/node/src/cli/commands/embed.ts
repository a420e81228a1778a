import type { Command } from 'commander'
import { add, type ModelOptions, withModelOptions } from '../context.ts'

export interface EmbedOptions extends ModelOptions {
  model: string
  file: string[]
  resident: boolean
}

export function embedCommand(command: Command): void {
  command
    .argument(
      '[texts...]',
      'what to turn into vectors; without texts and files each line of a pipe',
    )
    .option('--model <model>', 'name of a model (freehold list), or path of a GGUF file', 'acorn')
    .option('--file <path>', 'a file whose whole text is one more; again for more', add, [])
    .option('--no-resident', 'compute in this process, and start none in the background')
    .addHelpText('after', '\nPrints a JSON array of numbers on a line for each text, of length 1.')
    .action(async (texts: string[], options: EmbedOptions) => {
      const { embedTexts } = await import('../embed-texts.ts')
      await embedTexts(texts, options)
    })
  withModelOptions(command)
}
