import { once } from 'node:events'
import { join } from 'node:path'
import { SEED_IGNORED } from '@freehold/core/audit/calibrate'
import type { CalibrationTable } from '@freehold/core/audit/calibration'
import { CALIBRATION } from '@freehold/core/audit/calibration-tables'
import { toHex } from '@freehold/core/bytes'
import { dueAmount } from '@freehold/core/clearing/meter'
import type { AuditReport } from '@freehold/core/device/audits'
import type { Completion } from '@freehold/core/device/completions'
import type { Device } from '@freehold/core/device/device'
import type { KnownOffer } from '@freehold/core/device/peers'
import { ggufStrings } from '@freehold/core/engine/gguf'
import { FreeholdError } from '@freehold/core/errors'
import { explain } from '../cli/commands/audit.ts'
import { counted } from '../cli/format.ts'
import { safe } from '../cli/output.ts'
import { pathsOf } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { quantise } from '../engine/quantise.ts'
import { readGguf } from '../engine/read-gguf.ts'
import { BUNDLED } from '../models/acorn.ts'
import { answerAlone, type OwnAnswer } from './own-answer.ts'
import { runProgram } from './processes.ts'
import { selfCalibrate } from './self-calibrate.ts'
import { type Actor, openStage, type Stage } from './stage.ts'
import type { Story } from './story.ts'

export interface DemoInit {
  model: string
  prompt: string
  seed: string
  story: Story
  signal: AbortSignal
}

export interface CheatResult {
  kind: string
  verdict: 'fail' | 'indistinguishable'
  answersUntilCaught: number | null
  tokensUntilCaught: number | null
  answers: number
  tokens: number
  meanClippedMargin: number
  /** Log-likelihood ratio of the likeliest cheat against honesty, all answers together. */
  llr: number
  /** Token units by voucher, and signed but never paid. */
  paid: number
  withheld: number
}

/** Balances in token units, by name of the device; `clearingHouse` holds what channels lock. */
export type Balances = Record<string, number>

export interface DemoResult {
  local: OwnAnswer
  borrowed: {
    lender: string
    tokens: number
    tokensPerSecond: number
    firstTokenMs: number
    text: string
  }
  audit: { verdict: string; positions: number; meanClippedMargin: number; seconds: number }
  cheats: CheatResult[]
  cleared: {
    vouchers: number
    transactions: number
    gasUsed: number
    before: Balances
    after: Balances
    conserved: boolean
    chainId: number
  }
  seconds: number
}

const ANSWER_TOKENS = 256
const LEAST_TOKENS = 128
const MOST_ANSWERS = 12
const MINTED = 5_000_000n
const DEPOSIT = 2_000_000n
const CHEAT_DEPOSIT = 500_000n

/** Runs the whole chain once, for real, and tells it as it happens. */
export async function runDemo(init: DemoInit): Promise<DemoResult> {
  const startedMs = Date.now()
  const { story, signal, model, prompt } = init
  story.line('Own your AI: one answer of your own, one borrowed, checked, and cleared by contract.')
  await using stage = await openStage()
  const stopped = once(signal, 'abort').then(() => {
    throw signal.reason
  })
  stopped.catch(() => {})
  const told = tell({ ...init, stage })
  told.catch(() => {})
  const result = await Promise.race([told, stopped])
  const seconds = (Date.now() - startedMs) / 1_000
  story.line(`The whole chain took ${seconds.toFixed(1)} s, for ${model} and "${prompt}".`)
  return { ...result, seconds }
}

type Scene = DemoInit & { stage: Stage }

async function tell(scene: Scene): Promise<Omit<DemoResult, 'seconds'>> {
  const { stage, story, model, prompt, seed } = scene
  story.step('Own: the model answers on this device, with no network')
  const { folder } = stage
  const local = await answerAlone({ folder, model, prompt, seed })
  story.piece(safe(local.text))
  story.line(
    `${local.model}: ${local.tokens} tokens at ${local.tokensPerSecond.toFixed(0)} tokens/s; ` +
      `network sockets opened: ${local.socketsOpened}`,
  )

  story.step('Borrow: a second device lends, this one pays as the tokens come')
  const [borrowerActor, lenderActor] = [await stage.actor('borrower'), await stage.actor('lender')]
  await stage.chain.mint(borrowerActor.account, MINTED)
  await stage.chain.fund(lenderActor.account, '1')
  const cheating = await falseModels(scene)
  const calibration = await missingCalibration(local, cheating, scene)
  await using borrower = await openDevice({
    calibration,
    paths: pathsOf(borrowerActor),
    phrase: borrowerActor.phrase,
    listen: [],
    chain: stage.chain.settings,
  })
  const lender = await stage.lend(lenderActor, model)
  const known = await borrower.peers.ask(lender.addresses[0] ?? '')
  const { record: channel, transaction } = await borrower.channels.open(known, DEPOSIT)
  const { native } = await borrower.balances()
  story.line(`The lender is ${lender.device}.`)
  story.line(
    `Channel ${channel.id.slice(0, 10)}… holds ${channel.deposit}; the lender submitted ` +
      `${transaction?.slice(0, 10)}…, the borrower holds ${native} wei of native coin.`,
  )
  const { completion, report } = await borrowLong(borrower, known, scene)
  const rate = (1_000 * completion.ids.length) / completion.totalMs
  story.line(
    `${completion.ids.length} tokens at ${rate.toFixed(0)} tokens/s, first after ` +
      `${completion.firstTokenMs?.toFixed(0)} ms; receipt ${completion.record?.id.slice(0, 12)} ` +
      `for ${completion.record?.priceUnits} token units, ${completion.record?.heldUnits} of it held back`,
  )

  story.step('Check: the borrower replays the receipt on its own copy of the model')
  if (report === null) throw new FreeholdError({ what: 'the answer was not audited' })
  for (const line of explain(report).split('\n')) story.line(line)
  story.line(
    `Took ${report.audit.seconds.toFixed(2)} s; the hold-back was ${report.record.payment}.`,
  )

  story.step(`Catch: ${cheating.length} lenders that cheat`)
  const cheats: CheatResult[] = []
  for (const [kind, served] of cheating) {
    cheats.push(await catchCheat(borrower, kind, served, scene))
  }

  story.step('Clear: the lender’s keeper settles on the chain')
  const cleared = await clear(borrower, [borrowerActor, lenderActor], lenderActor, scene)
  const { statistics, verdict, seconds } = report.audit
  const { positions, meanClippedMargin } = statistics
  return {
    local,
    borrowed: {
      lender: lender.device,
      tokens: completion.ids.length,
      tokensPerSecond: rate,
      firstTokenMs: completion.firstTokenMs ?? 0,
      text: completion.text,
    },
    audit: { verdict, positions, meanClippedMargin, seconds },
    cheats,
    cleared,
  }
}

/** Borrows until an answer is long enough to be worth an audit. */
async function borrowLong(
  borrower: Device,
  known: KnownOffer,
  { model, prompt, story, signal }: Scene,
) {
  for (let left = 5; ; left--) {
    const completion = await ask(borrower, known, { model, prompt, signal, story })
    if (completion.error) throw completion.error
    const report = await completion.settled
    if (completion.ids.length >= LEAST_TOKENS || left === 1) return { completion, report }
    story.line(`${completion.ids.length} tokens are too few to show much: once more.`)
  }
}

function ask(
  borrower: Device,
  known: KnownOffer,
  init: { model: string; prompt: string; signal: AbortSignal; story?: Story },
): Promise<Completion> {
  const { model, prompt, signal, story } = init
  return borrower.complete({
    model,
    messages: [{ role: 'user', content: prompt }],
    scope: 'market',
    via: 'peer',
    lender: toHex(known.lender),
    temperature: 1,
    maxTokens: ANSWER_TOKENS,
    signal,
    onText: story && ((text) => story.piece(safe(text))),
  })
}

/** What each dishonest lender serves instead of the model that it names. */
async function falseModels({ stage, model, signal }: Scene): Promise<[string, string][]> {
  const path = pathOf(model)
  const coarse = join(stage.folder, 'coarse-q2_k.gguf')
  await quantise(path, coarse, 'Q2_K', { signal })
  const smaller = pathOf('acorn-small')
  const found: [string, string][] = [['seed-ignored', path]]
  // A smaller model can only pass for one with the same vocabulary.
  if (await isSmallerTwin(smaller, path)) found.push(['smaller-model', smaller])
  found.push(['q2_k', coarse])
  return found
}

function pathOf(model: string): string {
  return BUNDLED[model.toLowerCase()] ?? model
}

async function isSmallerTwin(smaller: string, path: string): Promise<boolean> {
  const [small, large] = await Promise.all([readGguf(smaller), readGguf(path)])
  const tokens = ({ header }: typeof small) =>
    ggufStrings(header, 'tokenizer.ggml.tokens')?.join('\n') ?? ''
  return small.stats.size < large.stats.size && tokens(small) === tokens(large)
}

/** Measures a table for a model that comes without one, so that its audits mean something. */
async function missingCalibration(
  local: OwnAnswer,
  cheating: readonly [string, string][],
  { model, prompt, story, signal }: Scene,
): Promise<CalibrationTable[]> {
  if (CALIBRATION.some(({ modelId }) => modelId === local.modelId)) return []
  story.line(`There is no calibration for ${local.model} yet: measuring one here.`)
  const cheats = Object.fromEntries(cheating.filter(([kind]) => kind !== SEED_IGNORED))
  const { tokensPerSecond } = local
  return [await selfCalibrate({ path: pathOf(model), cheats, prompt, tokensPerSecond, signal })]
}

async function catchCheat(
  borrower: Device,
  kind: string,
  served: string,
  scene: Scene,
): Promise<CheatResult> {
  const { stage, story, model, prompt, signal } = scene
  const actor = await stage.actor(kind)
  await stage.chain.fund(actor.account, '1')
  await using lender = await stage.lendFalsely(actor, kind, model, served)
  const known = await borrower.peers.ask(lender.addresses[0] ?? '')
  const { record: channel } = await borrower.channels.open(known, CHEAT_DEPOSIT)
  let tokens = 0
  let margin = 0
  let report: AuditReport | null = null
  let answers = 0
  while (answers < MOST_ANSWERS && report?.pooled !== 'fail') {
    const completion = await ask(borrower, known, { model, prompt, signal })
    if (completion.error) throw completion.error
    report = await completion.settled
    answers++
    const positions = report?.audit.statistics.positions ?? 0
    tokens += positions
    margin += positions * (report?.audit.statistics.meanClippedMargin ?? 0)
  }
  const isCaught = report?.pooled === 'fail'
  const record = await borrower.tables.channels.get(channel.id)
  const paid = Number(record?.cumulative ?? 0n)
  const withheld = record ? Number(dueAmount(record)) - paid : 0
  const llr = Math.max(...Object.values(report?.pool.llr ?? {}), -99)
  const meanClippedMargin = tokens === 0 ? 0 : margin / tokens
  story.line(
    `${kind}: ${isCaught ? `caught at answer ${answers}` : `indistinguishable in ${counted(answers, 'answer')}`}, ` +
      `${tokens} tokens, mean clipped margin ${meanClippedMargin.toFixed(4)}, log-likelihood ` +
      `${llr.toFixed(1)}; paid ${paid}, withheld ${withheld}`,
  )
  if (isCaught) await showRefusal(borrower, known, paid, channel.id, scene)
  return {
    kind,
    verdict: isCaught ? 'fail' : 'indistinguishable',
    answersUntilCaught: isCaught ? answers : null,
    tokensUntilCaught: isCaught ? tokens : null,
    answers,
    tokens,
    meanClippedMargin,
    llr,
    paid,
    withheld,
  }
}

/** Asks a convicted lender once more: it must come to nothing. */
async function showRefusal(
  borrower: Device,
  known: KnownOffer,
  paid: number,
  channelId: string,
  { model, prompt, signal, story }: Scene,
): Promise<void> {
  const refused = await ask(borrower, known, { model, prompt, signal }).then(
    () => null,
    (error: unknown) => error,
  )
  const after = (await borrower.tables.channels.get(channelId))?.cumulative
  if (!(refused instanceof FreeholdError) || Number(after) !== paid) {
    throw new FreeholdError({ what: 'a convicted lender was asked or paid again' })
  }
  story.line('  asked no more, paid no more')
}

async function clear(
  borrower: Device,
  actors: readonly Actor[],
  lender: Actor,
  { stage, story }: Scene,
): Promise<DemoResult['cleared']> {
  const locked = async () => {
    const records = (await borrower.tables.channels.list()).map(([, record]) => record)
    const states = await Promise.all(records.map(({ id }) => stage.look(id)))
    return Number(states.reduce((sum, { deposit, settled }) => sum + deposit - settled, 0n))
  }
  const balances = async (): Promise<Balances> => {
    const found: Balances = {}
    for (const { name, account } of actors) {
      const { wallet, ledger } = await stage.balances(account)
      found[name] = Number(wallet + ledger)
    }
    return { ...found, channels: await locked() }
  }
  const total = (all: Balances) => Object.values(all).reduce((sum, units) => sum + units, 0)
  const before = await balances()
  const settled = (await runProgram(
    ['wallet', 'settle', '--json', '--chain', stage.chainText],
    lender,
  )) as { vouchers: number; transactions: { gasUsed: string }[] }
  const after = await balances()
  const gasUsed = settled.transactions.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0)
  const conserved = total(before) === total(after) && total(after) === Number(MINTED)
  for (const name of Object.keys(before)) {
    story.line(`${name.padEnd(9)} ${before[name]} → ${after[name]}`)
  }
  story.line(
    `${total(before)} → ${total(after)} token units in all: ${conserved ? 'not one lost' : 'WRONG'}`,
  )
  const transactions = settled.transactions.length
  story.line(
    `${counted(settled.vouchers, 'voucher')} in ${counted(transactions, 'transaction')}, ${gasUsed} gas`,
  )
  const { chainId } = stage.chain.settings
  return { vouchers: settled.vouchers, transactions, gasUsed, before, after, conserved, chainId }
}
