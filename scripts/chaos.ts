import { parseArgs } from 'node:util'
import { runChaos } from '../packages/node/src/chaos/chaos-run.ts'

/**
 * A town of real processes whose lenders fail in every way while answers are borrowed:
 * `npm run chaos -- [--json] [--seed 1] [--seconds 190] [--lenders 10] [--borrowers 3]`. See docs/faults.md.
 * Exit status 1 when anything was lost, charged twice, wrong unnoticed, out of scope or stuck.
 */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '190' },
    lenders: { type: 'string', default: '10' },
    borrowers: { type: 'string', default: '3' },
    every: { type: 'string', default: '5' },
  },
})
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())
const { problems, ...result } = await runChaos({
  seed: values.seed,
  seconds: Number(values.seconds),
  lenders: Number(values.lenders),
  borrowers: Number(values.borrowers),
  parallel: 2,
  totalMs: 20_000,
  everyMs: 1_000 * Number(values.every),
  say: (text) => process.stderr.write(`${text}\n`),
  signal: stop.signal,
}).catch((error) => {
  if (!stop.signal.aborted) throw error
  process.stderr.write('stopped\n')
  process.exit(130)
})
const times = Map.groupBy(problems, (problem) => problem)
for (const [problem, { length }] of times) {
  process.stderr.write(length > 1 ? `${problem} (${length} times)\n` : `${problem}\n`)
}
if (values.json) console.log(JSON.stringify(result))
else {
  const { faults, ...others } = result
  console.table(faults)
  console.table(others)
}
const { answersWrongUnnoticed, lendersAskedAfterFail, unitsLost } = result
const { unitsChargedTwice, bytesOutOfScope, stuck } = result
const bad = [answersWrongUnnoticed, lendersAskedAfterFail, unitsLost, unitsChargedTwice]
process.exit([...bad, bytesOutOfScope, stuck].every((count) => count === 0) ? 0 : 1)
