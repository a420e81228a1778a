import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: {
    name: string
    status: string
    message: string
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[]
  }[]
}

/** What failed, said again in a few lines: the end of a long output is what is kept of it. */
function failuresOf(report: Report): string[] {
  return report.testResults.flatMap((file) => {
    const failures = file.assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${test.fullName}\n    ${test.failureMessages.join('\n').slice(0, 1500)}`)
    // A file that could not be loaded has no tests to show it.
    if (file.status === 'failed' && failures.length === 0) failures.push(file.message)
    return failures.map((failure) => `FAIL ${relative('.', file.name)}: ${failure}`)
  })
}

/** All tests: vitest over the packages, then forge over the contracts. Arguments go to vitest. */
const only = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'freehold-test-'))
const reportFile = join(folder, 'vitest.json')
let [passed, failed, skipped] = [0, 0, 0]
let hasFailed = false
const failures: string[] = []

try {
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const vitest = spawnSync('vitest', ['run', ...reporters, ...only], { stdio: 'inherit' })
  hasFailed ||= vitest.status !== 0
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += report.numPendingTests + report.numTodoTests
  failures.push(...failuresOf(report))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

if (only.length === 0) {
  const forge = spawnSync('node', ['bin/forge', 'test'], {
    cwd: 'packages/contracts',
    encoding: 'utf8',
  })
  // Its tables of fuzzed calls are hundreds of lines that nobody reads while all is well.
  if (forge.status === 0) {
    console.log(forge.stdout.trimEnd().split('\n').at(-1))
  } else {
    hasFailed = true
    process.stdout.write(forge.stdout ?? '')
    process.stderr.write(forge.stderr ?? '')
  }
  const counts = /(\d+) tests passed, (\d+) failed, (\d+) skipped \(\d+ total/.exec(
    forge.stdout ?? '',
  )
  passed += Number(counts?.[1] ?? 0)
  failed += Number(counts?.[2] ?? 0)
  skipped += Number(counts?.[3] ?? 0)
  if (counts === null) hasFailed = true
}

for (const failure of failures) console.log(`\n${failure}`)
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(hasFailed || failed > 0 ? 1 : 0)
