import { plain } from '../packages/node/src/cli/output.ts'
import { auditBench } from './audit.ts'
import type { Bench } from './bench.ts'
import { calibrateBench } from './calibrate.ts'
import { chainBench } from './chain.ts'
import { clearingBench } from './clearing.ts'
import { detectorsBench } from './detectors.ts'
import { rounded } from './median.ts'
import { natBench } from './nat.ts'
import { networkBench } from './network.ts'
import { pullBench } from './pull.ts'
import { serveBench } from './serve.ts'
import { webBench } from './web.ts'

const BENCHES: Record<string, Bench> = {
  audit: auditBench,
  calibrate: calibrateBench,
  chain: chainBench,
  nat: natBench,
  network: networkBench,
  pull: pullBench,
  serve: serveBench,
  clearing: clearingBench,
  detectors: detectorsBench,
  web: webBench,
}

/** `npm run bench -- NAME [--json] [ARGS]`: the result is the last line of stdout. */
async function main([name = '', ...args]: string[]): Promise<number> {
  const bench = BENCHES[name]
  if (bench === undefined) {
    console.error('Benchmarks, each run by `npm run bench -- NAME [--json]`:')
    for (const [key, { summary }] of Object.entries(BENCHES)) console.error(`  ${key}: ${summary}`)
    return 2
  }
  const say = (text: string) => console.error(text)
  const result = await bench.run({ args: args.filter((arg) => arg !== '--json'), say })
  if (!args.includes('--json')) {
    console.log(`${name}: ${bench.summary}`)
    for (const [key, value] of Object.entries(result.conditions)) {
      console.log(`  ${key}: ${JSON.stringify(value, plain)}`)
    }
    for (const [key, value] of Object.entries(result.figures)) {
      console.log(`  ${key} = ${JSON.stringify(value, plain)}`)
    }
    for (const { name: goalName, goal, value, met } of result.goals) {
      console.log(
        `  ${met ? 'met   ' : 'MISSED'} ${goalName} ${goal}: ${value}${met ? '' : shortOf(goal, value)}`,
      )
    }
  }
  console.log(JSON.stringify({ name, ...result }, plain))
  return 0
}

/** By how much a goal is missed. */
function shortOf(goal: string, value: number): string {
  const limit = Number(goal.split(' ')[1])
  return `, off by ${rounded(Math.abs(value - limit), 3)}`
}

process.exit(await main(process.argv.slice(2)))
