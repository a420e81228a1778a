import type { Command } from 'commander'
import { createStory } from '../../demo/story.ts'
import { interruptSignal } from '../context.ts'
import { printJson } from '../output.ts'

interface DemoOptions {
  model: string
  prompt: string
  seed: string
  json?: boolean
}

export function demoCommand(command: Command): void {
  command
    .option('--model <model>', 'bundled model or path of a GGUF file', 'acorn')
    .option('--prompt <text>', 'what to ask', 'Tell me a long story about a fox and a lantern.')
    .option('--seed <text>', 'of the own answer', '1')
    .option('--json', 'print the figures as one JSON object on the last line of stdout')
    .action(async ({ model, prompt, seed, json }: DemoOptions) => {
      const { runDemo } = await import('../../demo/demo.ts')
      const story = createStory(json ? process.stderr : process.stdout)
      const result = await runDemo({ model, prompt, seed, story, signal: interruptSignal() })
      if (json) printJson(result)
    })
}
