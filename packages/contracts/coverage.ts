// Runs every test with coverage and fails unless each contract in src has all its lines, statements,
// branches and functions run. It takes one to six minutes, most of them for the invariants.
import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'

const root = import.meta.dirname
// Coverage needs an absolute remapping: by the relative one forge finds the libraries twice.
const libraries = realpathSync(join(root, '..', '..', 'node_modules', '@openzeppelin'))
const args = ['coverage', '--no-match-coverage', '(test|node_modules)', '--report', 'summary']

const startMs = performance.now()
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [join(root, 'bin', 'forge'), ...args, '--remappings', `@openzeppelin/=${libraries}/`],
  { encoding: 'utf8', env: { ...process.env, FOUNDRY_PROFILE: 'coverage' }, maxBuffer: 2 ** 27 },
)
const seconds = Math.round((performance.now() - startMs) / 1000)

if (status !== 0) {
  console.error(`${stdout}${stderr}`)
  process.exitCode = 1
} else {
  const rows = stdout.split('\n').filter((line) => line.startsWith('| src/'))
  for (const row of rows) {
    console.log(row.split('|').join(' ').trim().replace(/ {2,}/g, '  '))
  }
  const isWhole = (row: string) =>
    [...row.matchAll(/\((\d+)\/(\d+)\)/g)].every(([, a, b]) => a === b)
  console.log(`lines, statements, branches, functions; ${seconds} s`)
  if (rows.length === 0 || !rows.every(isWhole)) {
    console.error('Something in src is never run by a test')
    process.exitCode = 1
  }
}
