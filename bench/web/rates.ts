import { readFile, stat } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { sampleToken } from '../../packages/core/src/sampling/gumbel.ts'
import { createLlamaEngine } from '../../packages/node/src/engine/llama-engine.ts'
import type {
  EngineRatesPage,
  RateInit,
} from '../../packages/web/src/engine/engine-rates-page.fixture.ts'
import { callerOf } from '../../packages/web/src/testing/call-page.fixture.ts'
import { openTestPage } from '../../packages/web/src/testing/test-page.fixture.ts'
import { median, rounded } from '../median.ts'

const ENTRY = new URL('../../packages/web/src/engine/engine-rates.page.ts', import.meta.url)
const SEED = new Uint8Array(32).fill(7)
const CONTEXT = 512

export interface RatesInit extends RateInit {
  path: string
  /** Answers of each in turn, after one of each that is not counted. */
  alternations: number
}

/** Tokens a second of one model, one thread each: in a page, of bare wllama there, and of Node's engine. */
export async function measureRates({ path, alternations, ...init }: RatesInit) {
  await using test = await openTestPage({ entry: ENTRY, files: { '/model.gguf': path } })
  const call = callerOf<EngineRatesPage>(test.page)
  const { engine: wasm } = await call('load', '/model.gguf')
  await using engine = createLlamaEngine({ gpu: false, threads: 1 })
  await using model = await engine.load(path, { sequences: 1, contextTokens: CONTEXT })
  const onNode = async () => {
    await using sequence = await model.openSequence()
    let top = (await sequence.prefill(await model.tokenize(init.prompt))).at(-1)
    const startedMs = performance.now()
    for (let t = 0; t < init.tokens && top !== undefined; t++) {
      top = await sequence.step(sampleToken(top, SEED, t, 1))
    }
    return (performance.now() - startedMs) / init.tokens
  }
  const runs = {
    tab: () => call('own', init),
    bare: () => call('bare', init),
    node: onNode,
  }
  const rounds: Record<keyof typeof runs, number>[] = []
  for (let round = -1; round < alternations; round++) {
    const took = { tab: 0, bare: 0, node: 0 }
    const order = Object.keys(runs) as (keyof typeof runs)[]
    // Each comes first in its turn.
    for (let i = 0; i < order.length; i++) {
      const name = order[(i + round + order.length) % order.length] as keyof typeof runs
      took[name] = await runs[name]()
    }
    if (round >= 0) rounds.push(took)
  }
  const ratios = (other: 'bare' | 'node') => rounds.map((took) => took[other] / took.tab)
  const rate = (name: keyof typeof runs) =>
    rounded(1_000 / median(rounds.map((took) => took[name])))
  return {
    engines: { wasm, node: model.info.profile.engine },
    tabPerSecond: rate('tab'),
    barePerSecond: rate('bare'),
    nodePerSecond: rate('node'),
    overBare: rounded(median(ratios('bare'))),
    overBareEach: ratios('bare').map((ratio) => rounded(ratio, 3)),
    overNode: rounded(median(ratios('node'))),
  }
}

/** Memory of the browser with a model in a page that has answered, above the same page's without. */
export async function measureMemory({ path, ...init }: RateInit & { path: string }) {
  const { size } = await stat(path)
  await using test = await openTestPage({ entry: ENTRY, files: { '/model.gguf': path } })
  const call = callerOf<EngineRatesPage>(test.page)
  const before = await browserBytes(test.page)
  await call('loadOwn', '/model.gguf')
  await call('own', init)
  const bytes = (await browserBytes(test.page)) - before
  return {
    modelMegabytes: rounded(size / 1e6),
    aboveEmptyMegabytes: rounded(bytes / 1e6),
    overModel: rounded(bytes / size, 3),
  }
}

/** Proportional set size of all processes of a page's browser. */
async function browserBytes(page: Page): Promise<number> {
  const session = await page.context().browser()?.newBrowserCDPSession()
  const found = await session?.send('SystemInfo.getProcessInfo')
  await session?.detach()
  const sizes = (found?.processInfo ?? []).map(async ({ id }) => {
    const rollup = await readFile(`/proc/${id}/smaps_rollup`, 'utf8')
    return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) * 1_024
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
