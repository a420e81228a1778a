import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bench, type BenchContext, type Goal, goal, machine } from './bench.ts'
import { auditFigures, compareSpeed, speedFigures } from './borrowed-and-local.ts'
import { measureGas } from './gas.ts'
import { rounded } from './median.ts'
import { STORY_PROMPTS } from './prompts.ts'
import { HALF_BILLION, makeSyntheticModel, parametersOf, TINY } from './synthetic-model.ts'
import { measureTokenCosts } from './token-costs.ts'

const QUANTISATION = 'Q8_0'
/** Characters of the prompt; the synthetic model takes each as a token. */
const PROMPT = 'Once upon a time, far from every server, a small device asked another for help. '

/** What a run takes in; the quick one shows only that everything works. */
interface Size {
  shape: typeof HALF_BILLION
  alternations: number
  syntheticTokens: number
  acornTokens: number
  costRounds: number
  /** Rows in one settlement. */
  settledRows: readonly number[]
}

const WHOLE: Size = {
  shape: HALF_BILLION,
  alternations: 15,
  syntheticTokens: 64,
  acornTokens: 256,
  costRounds: 200,
  settledRows: [1, 10, 100],
}
const QUICK: Size = {
  shape: TINY,
  alternations: 1,
  syntheticTokens: 16,
  acornTokens: 16,
  costRounds: 2,
  settledRows: [1, 10],
}

/** What borrowing adds to an answer, in time and gas. `--quick`: small, once, without goals. */
export const chainBench: Bench = {
  summary: 'borrowed against own answers, audits, what a token costs besides the model, and gas',
  run: async ({ args, say }) => {
    const isQuick = args.includes('--quick')
    const size = isQuick ? QUICK : WHOLE
    const load = loadavg()[0]
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      const { figures, goals } = await measure(size, folder, say)
      return {
        conditions: { ...conditions(size), loadBefore: rounded(load ?? Number.NaN) },
        figures,
        goals: isQuick ? [] : goals,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function measure(size: Size, folder: string, say: BenchContext['say']) {
  const { alternations, syntheticTokens, acornTokens } = size
  say('gas of real transactions')
  const gas = await measureGas(size.settledRows)
  say('what a token costs besides the model')
  const token = await measureTokenCosts(size.costRounds)
  say('a model of random weights')
  const model = join(folder, 'synthetic.gguf')
  await makeSyntheticModel(model, size.shape, QUANTISATION)
  say('synthetic model, own and borrowed in turn')
  const each = { alternations, say }
  const long = { prompt: PROMPT, maxTokens: syntheticTokens }
  const synthetic = await compareSpeed({ ...each, ...long, model })
  say('Acorn, own and borrowed in turn')
  const story = { prompt: STORY_PROMPTS[0] ?? PROMPT, maxTokens: acornTokens }
  const acorn = await compareSpeed({ ...each, ...story, model: 'acorn' })
  const [whole, small] = [speedFigures(synthetic), speedFigures(acorn)]
  const audit = auditFigures(synthetic)
  const tokenMs = rounded(token.samplerMs + token.signingMs + token.meteringMs)
  const goals: Goal[] = [
    goal('synthetic: borrowed over own tokens a second', '>= 0.98', whole.borrowedOverOwn),
    goal('Acorn: borrowed over own tokens a second', '>= 0.9', small.borrowedOverOwn),
    goal('synthetic: added time to first text, ms', '<= 50', whole.addedFirstTextMs),
    goal(
      'synthetic: audit cost, distance from the formula',
      '<= 0.1',
      rounded(Math.abs(audit.measuredOverExpected - 1)),
    ),
    goal('sampler, signing and metering, ms a token', '<= 1', tokenMs),
  ]
  return { figures: { synthetic: whole, audit, acorn: small, token, gas }, goals }
}

function conditions({ shape, alternations }: Size): Record<string, unknown> {
  return {
    ...machine(),
    alternations,
    order:
      'own and borrowed answers in turn, each after one token asked for in the same way; the first pair is not counted; medians',
    engineThreads: Math.max(1, availableParallelism() - 1),
    processes: 'borrower, its engine, lender, its engine, and the chain; all on this machine',
    shape: { ...shape, parameters: parametersOf(shape), quantisation: QUANTISATION },
    weights: 'random, with the logit spread of a real model; the vocabulary is made up',
    token: 'a window of 64 tokens and chunks of 16; both sides’ work in one process',
    gasPerAnswer: 'relayed open, one settlement and close, shared by the answers of a channel',
  }
}
