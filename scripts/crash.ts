import { parseArgs } from 'node:util'
import { runCampaign } from '../packages/node/src/crash/campaign.ts'

/**
 * Kills real lenders, borrowers and engines with SIGKILL while answers are paid for, and counts what
 * that cost: `npm run crash -- [--json] [--kills 200] [--seed 1] [--jobs 2]`. What is counted is said
 * in docs/protocol.md, "What a crash may cost". Exit status 1 when anything went wrong.
 */
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
  },
})
const startedMs = Date.now()
const { restartsMs, problems, ...tally } = await runCampaign({
  seed: values.seed,
  kills: Number(values.kills),
  jobs: Number(values.jobs),
  say: (text) => process.stderr.write(`${text}\n`),
})
for (const problem of problems) process.stderr.write(`${problem}\n`)
const sorted = restartsMs.toSorted((a, b) => a - b)
const restartsMsP95 = sorted[Math.ceil(0.95 * sorted.length) - 1] ?? 0
const { kills, unitsLost, unitsChargedTwice, answersWrong, stuck } = tally
const result = { kills, unitsLost, unitsChargedTwice, answersWrong, stuck, restartsMsP95 }
if (values.json) console.log(JSON.stringify(result))
else {
  const { answers, brokenOff, mostUnpaidTokens } = tally
  const seconds = Math.round((Date.now() - startedMs) / 1_000)
  console.table({ ...result, answers, brokenOff, mostUnpaidTokens, seconds })
}
process.exit(unitsLost + unitsChargedTwice + answersWrong + stuck === 0 ? 0 : 1)
