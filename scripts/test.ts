import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** All tests: vitest over the packages, then forge over the contracts. Arguments go to vitest. */
const only = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'freehold-test-'))
const reportFile = join(folder, 'vitest.json')
let [passed, failed, skipped] = [0, 0, 0]
let hasFailed = false

try {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const vitest = spawnSync('vitest', ['run', ...reporters, ...only], { stdio: 'inherit' })
  hasFailed ||= vitest.status !== 0
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Record<string, number>
  passed += report.numPassedTests ?? 0
  failed += report.numFailedTests ?? 0
  skipped += (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (only.length === 0) {
  const forge = spawnSync('node', ['bin/forge', 'test'], {
    cwd: 'packages/contracts',
    encoding: 'utf8',
  })
  process.stdout.write(forge.stdout ?? '')
  process.stderr.write(forge.stderr ?? '')
  hasFailed ||= forge.status !== 0
  const counts = /(\d+) tests passed, (\d+) failed, (\d+) skipped \(\d+ total/.exec(
    forge.stdout ?? '',
  )
  passed += Number(counts?.[1] ?? 0)
  failed += Number(counts?.[2] ?? 0)
  skipped += Number(counts?.[3] ?? 0)
  if (counts === null) hasFailed = true
}

console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(hasFailed || failed > 0 ? 1 : 0)
