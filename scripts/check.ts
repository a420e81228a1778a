import { spawn } from 'node:child_process'
import { checkHouse } from './check-house.ts'

/** Everything that must hold before a commit: `npm run check`. */
const CHECKS: Record<string, readonly string[]> = {
  'format and lint': ['biome', 'ci', '--error-on-warnings'],
  'types of core, without Node’s': ['tsc', '-p', 'packages/core'],
  'types of web, as a bundler sees them': ['tsc', '-p', 'packages/web'],
  types: ['tsc', '-p', '.'],
  'promises and cycles': ['oxlint', '--type-aware', '--deny-warnings'],
  'unused code and packages': ['knip'],
  'command reference': ['node', 'scripts/cli-docs.ts', '--check'],
  'reference of the HTTP interface': ['node', 'scripts/api-reference.ts', '--check'],
  'page of limits': ['node', 'scripts/limits-doc.ts', '--check'],
  'golden vectors': ['node', 'scripts/vectors.ts', '--check'],
  'contracts’ generated files': ['node', 'packages/contracts/generate.ts', '--check'],
}

function run([command = '', ...args]: readonly string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (part: Buffer) => {
        output += part
      })
    }
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

let failed = 0
function report(name: string, problem: string | null, note = ''): void {
  console.log(`${problem === null ? 'ok  ' : 'FAIL'} ${name}${note === '' ? '' : ` (${note})`}`)
  if (problem === null) return
  failed++
  console.log(problem)
}

const house = await checkHouse()
report('who may import whom', house.length === 0 ? null : house.join('\n'))
for (const [name, command] of Object.entries(CHECKS)) {
  const { ok, output } = await run(command)
  // What a check wants to be seen though all is well.
  const notes = [...output.matchAll(/^note: (.*)$/gm)].map(([, text]) => text)
  report(name, ok ? null : output, notes.join(', '))
}
process.exit(failed === 0 ? 0 : 1)
