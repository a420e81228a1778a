import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { createProgram } from '../packages/node/src/cli/program.ts'

/** `node scripts/cli-docs.ts [--check]`: writes docs/cli.md from the commands themselves. */
type Command = Awaited<ReturnType<typeof createProgram>>

const PAGE = fileURLToPath(new URL('../docs/cli.md', import.meta.url))

const page = render(await createProgram())
if (process.argv.includes('--check')) {
  const there = await readFile(PAGE, 'utf8').catch(() => '')
  if (there !== page) {
    console.log('docs/cli.md is not what the commands say: run node scripts/cli-docs.ts')
    process.exitCode = 1
  }
} else await writeFile(PAGE, page)

function render(program: Command): string {
  const commands = program.commands.flatMap((command) => [
    command,
    ...command.commands.filter((sub) => sub.name() !== 'help'),
  ])
  const shown = commands.filter((command) => !isHidden(command) && !isGroup(command))
  return `# The program \`freehold\`

Made by \`node scripts/cli-docs.ts\`; do not edit. Data goes to stdout, talk to stderr. It ends with 0 when it is done, 1 when it failed,
2 when it was asked for wrongly, 130 when it was interrupted. In a checkout \`npm run -s freehold --\` stands for \`freehold\`.

${shown.map(renderCommand).join('\n')}`
}

function isHidden(command: Command): boolean {
  return command.parent?.createHelp().visibleCommands(command.parent).includes(command) === false
}

function isGroup(command: Command): boolean {
  return command.commands.length > 0
}

function renderCommand(command: Command): string {
  const help = command.createHelp()
  const rows = [
    ...help
      .visibleArguments(command)
      .map((one) => [help.argumentTerm(one), help.argumentDescription(one)]),
    ...help
      .visibleOptions(command)
      .filter((one) => one.long !== '--help')
      .map((one) => [help.optionTerm(one), help.optionDescription(one)]),
  ]
  const names = [command.name()]
  for (let up = command.parent; up; up = up.parent) names.unshift(up.name())
  const usage = `${names.join(' ')} ${command.usage()}`
  const list = rows.map(([term = '', words = '']) => `- \`${term}\`: ${plain(words)}`)
  const aliases = command.aliases().map((alias) => `\`${alias}\``)
  const also = aliases.length > 0 ? ` Also: ${aliases.join(', ')}.` : ''
  return `## ${names.slice(1).join(' ')}

${sentence(plain(command.description()))}${also}

    ${usage}

${list.join('\n')}
`
}

/** Commander shows defaults as JSON; what is Markdown in it stays text. */
function plain(text: string): string {
  return text.replace(/[<>*_`|]/g, (sign) => `\\${sign}`)
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
