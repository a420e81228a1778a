import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ACORN } from '../packages/node/src/engine/test-models.ts'
import { DESKTOP, openAppSite, PHONE } from '../packages/web/src/testing/app-site.fixture.ts'
import { type Bench, goal, machine } from './bench.ts'
import { makeSyntheticModel, parametersOf, SMALL } from './synthetic-model.ts'
import { auditTwice } from './web/audits.ts'
import { firstScriptBytes, measureOpenings } from './web/first-load.ts'
import { measureMemory, measureRates } from './web/rates.ts'

const PROMPT = 'Tell me a story about a hare and a drum.'
/** Of the mean margin, between a native auditor and one in WebAssembly; a cheat's is above 0.02. */
const MARGIN_TOLERANCE = 0.005

interface Extent {
  openings: number
  alternations: number
  tokens: number
  answers: number
}
const WHOLE: Extent = { openings: 5, alternations: 7, tokens: 96, answers: 6 }
const QUICK: Extent = { openings: 1, alternations: 1, tokens: 8, answers: 1 }

/** The app and its engine in headless Chromium. `--quick`: once, without goals. */
export const webBench: Bench = {
  summary: 'the app’s first load, tokens a second in a tab, audits there, memory',
  run: async ({ args, say }) => {
    const isQuick = args.includes('--quick')
    const { openings, alternations, tokens, answers } = isQuick ? QUICK : WHOLE
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      say('first loads')
      await using site = await openAppSite()
      const scripts = firstScriptBytes(site)
      const phone = await measureOpenings(site, PHONE, openings)
      const desktop = await measureOpenings(site, DESKTOP, openings)
      say('a model of random weights')
      const synthetic = join(folder, 'synthetic.gguf')
      await makeSyntheticModel(synthetic, SMALL, 'Q8_0')
      const each = { prompt: PROMPT, tokens, alternations }
      say('Acorn in a page, of bare wllama and of Node’s engine, in turn')
      const acorn = await measureRates({ ...each, path: ACORN })
      say('the synthetic model, the same')
      const larger = await measureRates({ ...each, path: synthetic })
      say('memory of a page')
      const memory = {
        acorn: await measureMemory({ path: ACORN, prompt: PROMPT, tokens }),
        synthetic: await measureMemory({ path: synthetic, prompt: PROMPT, tokens }),
      }
      say('audits of a native lender’s answers, in a page and here')
      const audits = await auditTwice(answers)
      const apart = Math.max(...audits.map(({ tab, node }) => Math.abs(tab.margin - node.margin)))
      const differing = audits.filter(({ tab, node }) => tab.verdict !== node.verdict).length
      const goals = [
        goal('first scripts, gzip bytes', '<= 120000', scripts.gzipBytes),
        goal('layout shift', '<= 0', Math.max(phone.layoutShift, desktop.layoutShift)),
        goal('Acorn in a tab over bare wllama', '>= 0.95', acorn.overBare),
        goal('synthetic in a tab over bare wllama', '>= 0.95', larger.overBare),
        goal('audits with another verdict than Node’s', '<= 0', differing),
        goal('mean margins apart, logits', `<= ${MARGIN_TOLERANCE}`, apart),
      ]
      return {
        conditions: {
          ...machine(),
          browser: `Chromium ${site.browser.version()}, headless`,
          threads: 1,
          syntheticParameters: parametersOf(SMALL),
          ...{ openings, alternations, tokens, answers },
        },
        figures: {
          scripts,
          opening: { phone, desktop },
          tokensPerSecond: { acorn, synthetic: larger },
          memory,
          audits,
        },
        goals: isQuick ? [] : goals,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
