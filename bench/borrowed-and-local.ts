import { performance } from 'node:perf_hooks'
import type { CompletionInit } from '../packages/core/src/device/completions.ts'
import type { Device } from '../packages/core/src/device/device.ts'
import { pathsOf } from '../packages/node/src/config.ts'
import { openStage } from '../packages/node/src/demo/stage.ts'
import { openDevice } from '../packages/node/src/device/open-device.ts'
import { median, rounded } from './median.ts'

export interface SpeedInit {
  /** Name of the model, or path of its file. */
  model: string
  /** The prompt, the same for each answer. */
  prompt: string
  maxTokens: number
  /** Pairs of an own and a borrowed answer, after one of each that is not counted. */
  alternations: number
  say: (text: string) => void
}

/** One answer as the person in front of the device sees it. */
interface Seen {
  tokens: number
  /** From asking to the first text. */
  firstTextMs: number
  /** From asking to the end; a borrowed answer ends with its receipt. */
  totalMs: number
  tokensPerSecond: number
}

/** One alternation. */
interface Pair {
  local: Seen
  borrowed: Seen
  auditSeconds: number
  /** Prefill of as many tokens as the audit takes in, with logits of the answer's as it needs them. */
  prefillPerSecond: number
  /** The same without any logits but the last. */
  plainPrefillPerSecond: number
}

export interface Speed {
  promptTokens: number
  pairs: Pair[]
}

const DEPOSIT = 10_000_000n
const WARM_UP = 1

/**
 * Borrowed and own answers to one prompt in turn. The lender is a process of its own, which lends as
 * `freehold lend` does; borrower and lender run the same engine with the same settings.
 */
export async function compareSpeed(init: SpeedInit): Promise<Speed> {
  const { model, alternations, say } = init
  await using stage = await openStage()
  const [lending, borrowing] = [await stage.actor('lender'), await stage.actor('borrower')]
  await stage.chain.mint(borrowing.account, 2n * DEPOSIT)
  await stage.chain.fund(lending.account, '1')
  const lender = await stage.lend(lending, model)
  await using device = await openDevice({
    paths: pathsOf(borrowing),
    phrase: borrowing.phrase,
    listen: [],
    chain: stage.chain.settings,
  })
  const known = await device.peers.ask(lender.addresses[0] ?? '')
  await device.channels.open(known, DEPOSIT)
  const pairs: Pair[] = []
  let promptTokens = 0
  for (let i = 0; i < WARM_UP + alternations; i++) {
    const one = await measurePair(device, init, i % 2 === 0)
    promptTokens = one.promptTokens
    if (i < WARM_UP) continue
    pairs.push(one)
    const [own, other] = [one.local.tokensPerSecond, one.borrowed.tokensPerSecond]
    say(
      `  ${pairs.length} of ${alternations}: own ${rounded(own)}, borrowed ${rounded(other)} tok/s`,
    )
  }
  return { promptTokens, pairs }
}

async function measurePair(
  device: Device,
  { model, prompt, maxTokens }: SpeedInit,
  isLocalFirst: boolean,
): Promise<Pair & { promptTokens: number }> {
  const messages = [{ role: 'user' as const, content: prompt }]
  const ask = { model, messages, maxTokens, temperature: 1 }
  // Each after one token asked for in the same way: audits and prefills use the own engine between
  // the answers, while the lender's rests, and an engine that rested for seconds begins more slowly.
  const warmly = async (how: Pick<CompletionInit, 'scope' | 'via'>) => {
    const { completion } = await answer(device, { ...ask, ...how, maxTokens: 1 })
    await completion.settled
    await device.borrowing.idle()
    return answer(device, { ...ask, ...how })
  }
  const own = () => warmly({ via: 'here' })
  const borrow = () => warmly({ scope: 'market', via: 'peer' })
  const first = isLocalFirst ? await own() : undefined
  const borrowed = await borrow()
  const report = await borrowed.completion.settled
  // The lender books the end of the answer a moment after the borrower.
  await device.borrowing.idle()
  const local = first ?? (await own())
  const { promptTokens, ids } = borrowed.completion
  const input = promptTokens + ids.length - 1
  return {
    promptTokens,
    local: local.seen,
    borrowed: borrowed.seen,
    auditSeconds: report?.audit.seconds ?? Number.NaN,
    prefillPerSecond: await prefillSpeed(device, model, input, promptTokens - 1),
    plainPrefillPerSecond: await prefillSpeed(device, model, input, input - 1),
  }
}

async function answer(device: Device, init: CompletionInit) {
  const startMs = performance.now()
  let firstMs = Number.NaN
  const completion = await device.complete({
    ...init,
    onText: () => {
      if (Number.isNaN(firstMs)) firstMs = performance.now()
    },
  })
  const endMs = performance.now()
  if (completion.error) throw completion.error
  const tokens = completion.ids.length
  const seen: Seen = {
    tokens,
    firstTextMs: firstMs - startMs,
    totalMs: endMs - startMs,
    tokensPerSecond: ((tokens - 1) * 1_000) / (endMs - firstMs),
  }
  return { completion, seen }
}

async function prefillSpeed(
  device: Device,
  name: string,
  tokens: number,
  logitsFrom: number,
): Promise<number> {
  const model = await device.model(name)
  await using sequence = await model.openSequence()
  const ids = Array.from({ length: tokens }, (_, i) => 32 + (i % 90))
  const startMs = performance.now()
  await sequence.prefill(ids, { logitsFrom })
  return (tokens * 1_000) / (performance.now() - startMs)
}

/** The figures of some pairs: medians, and medians of the ratios within each pair. */
export function speedFigures({ promptTokens, pairs }: Speed) {
  const middle = (of: (pair: Pair) => number) => rounded(median(pairs.map(of)))
  return {
    promptTokens,
    answerTokens: middle(({ borrowed }) => borrowed.tokens),
    ownTokensPerSecond: middle(({ local }) => local.tokensPerSecond),
    borrowedTokensPerSecond: middle(({ borrowed }) => borrowed.tokensPerSecond),
    borrowedOverOwn: middle(
      ({ borrowed, local }) => borrowed.tokensPerSecond / local.tokensPerSecond,
    ),
    ratios: pairs.map(({ borrowed, local }) =>
      rounded(borrowed.tokensPerSecond / local.tokensPerSecond),
    ),
    ownFirstTextMs: middle(({ local }) => local.firstTextMs),
    borrowedFirstTextMs: middle(({ borrowed }) => borrowed.firstTextMs),
    addedFirstTextMs: middle(({ borrowed, local }) => borrowed.firstTextMs - local.firstTextMs),
  }
}

/**
 * What an audit costs beside what it audits. Generating is a prefill of P tokens and N steps, an audit
 * one prefill of P + N tokens; with r the speed of prefill over that of decoding, audit over
 * generation is (P + N) / (P + N·r): the formula of the trust model (Token-DiFR, arXiv 2511.20621,
 * whose verifier prefills prompt and answer). r is measured in each pair, on the same model, of a
 * prefill that gives logits of N tokens: a large vocabulary's are a good part of the work, and an
 * audit cannot do without. `plainMeasuredOverExpected` takes r of a prefill that leaves them out.
 */
export function auditFigures({ promptTokens, pairs }: Speed) {
  const each = pairs.map(({ local, auditSeconds, prefillPerSecond, plainPrefillPerSecond }) => {
    const expect = (prefill: number) => {
      const r = prefill / local.tokensPerSecond
      return (promptTokens + local.tokens) / (promptTokens + local.tokens * r)
    }
    const measured = (auditSeconds * 1_000) / local.totalMs
    return {
      r: prefillPerSecond / local.tokensPerSecond,
      plainR: plainPrefillPerSecond / local.tokensPerSecond,
      measured,
      expected: expect(prefillPerSecond),
      measuredOverExpected: measured / expect(prefillPerSecond),
      plainMeasuredOverExpected: measured / expect(plainPrefillPerSecond),
    }
  })
  const middle = (of: (one: (typeof each)[number]) => number) => rounded(median(each.map(of)))
  return {
    prefillOverDecode: middle(({ r }) => r),
    plainPrefillOverDecode: middle(({ plainR }) => plainR),
    auditOverGeneration: middle(({ measured }) => measured),
    expectedByFormula: middle(({ expected }) => expected),
    measuredOverExpected: middle(({ measuredOverExpected }) => measuredOverExpected),
    plainMeasuredOverExpected: middle(({ plainMeasuredOverExpected }) => plainMeasuredOverExpected),
  }
}
