import { toHex } from '@freehold/core/bytes'
import { UNLIMITED } from '@freehold/core/clearing/budget'
import type { AssessedOffer } from '@freehold/core/device/assess-offer'
import type { Device } from '@freehold/core/device/device'
import type { Ranking } from '@freehold/core/device/lenders'
import type { KnownOffer } from '@freehold/core/device/peers'
import { peerName } from '@freehold/core/identity/peer-name'
import { explainFirst, explainScore } from '@freehold/core/routing/explain-offer'
import type { Preference, Scored } from '@freehold/core/routing/score-offer'
import type { Scope } from '@freehold/core/wire/frames'
import { type Command, Option } from 'commander'
import { ceilingsOf, readSettings } from '../../config.ts'
import { cliPaths, type GlobalOptions, openCliDevice, withGlobals } from '../context.ts'
import { print, printJson, safe, say, table } from '../output.ts'
import { wholeNumber } from '../whole-number.ts'

interface OffersOptions extends GlobalOptions {
  why?: boolean
  scope: Exclude<Scope, 'device'>
  promptTokens: number
  maxTokens: number
}

export function offersCommand(command: Command): void {
  command
    .argument(
      '[model or address...]',
      'a model, by name or id, to show alone, and lenders to ask besides the known ones',
    )
    .option('--why', 'say of each offer what it comes to, and why the first one is first')
    .addOption(
      new Option('--scope <scope>', 'how far the request may travel')
        .choices(['own', 'friends', 'market'])
        .default('market'),
    )
    .option('--prompt-tokens <tokens>', 'compare for a prompt of so many', wholeNumber, 100)
    .option('--max-tokens <tokens>', 'compare for an answer of so many', wholeNumber, 512)
    .action((words: string[], options: OffersOptions) => offers(words, options))
  withGlobals(command)
}

async function offers(words: string[], options: OffersOptions): Promise<void> {
  const addresses = words.filter((word) => word.startsWith('/'))
  const [model] = words.filter((word) => !word.startsWith('/'))
  const settings = await readSettings(cliPaths(options).config)
  const prefer = settings.prefer ?? 'balanced'
  await using device = await openCliDevice({
    listen: [],
    needsKeys: true,
    chain: options.chain,
    models: options.models,
  })
  for (const address of addresses) await device.peers.ask(address)
  const { scope, promptTokens, maxTokens } = options
  const ceilings = ceilingsOf(settings) ?? UNLIMITED
  const about = { scope, promptTokens, maxTokens, ceilings, ...(model && { model }) }
  const ranking = await device.lenders.rank(about)
  if (options.json) return printJson(await asJson(device, ranking, prefer))
  if (ranking.ranked.length + ranking.barred.length === 0) {
    const which = model === undefined ? 'No lender is known' : `No known lender offers ${model}`
    return say(`${which}. Ask one with: freehold offers ADDRESS`)
  }
  for (const group of byModel(ranking)) {
    print(tableOf(group))
    if (options.why) explain(group, prefer)
  }
}

/** Offers are compared with those of the same model only. */
function byModel({ ranked, barred }: Ranking): Ranking[] {
  const idOf = ({ offered }: AssessedOffer) => toHex(offered.modelId)
  const ids = new Set([...ranked.map(({ offer }) => offer), ...barred].map(idOf))
  return [...ids].map((id) => ({
    ranked: ranked.filter(({ offer }) => idOf(offer) === id),
    barred: barred.filter((offer) => idOf(offer) === id),
  }))
}

function tableOf({ ranked, barred }: Ranking): string {
  const headings = ['DEVICE', 'MODEL', 'PER MILLION', 'RUNG', 'COST', 'SECONDS', 'SCORE', 'NOTE']
  const row = (offer: AssessedOffer, [cost, seconds, score, note]: string[]) => {
    const prices = offer.known.offer.payment?.prices
    return [
      peerName(offer.known.lender),
      safe(offer.offered.name),
      prices === undefined ? 'free' : `${prices.prompt} + ${prices.output}`,
      offer.rung,
      cost ?? '',
      seconds ?? '',
      score ?? '',
      note ?? '',
    ]
  }
  return table(headings, [
    ...ranked.map(({ offer, seconds, score }, place) =>
      row(offer, [
        String(offer.costUnits),
        `${seconds.toFixed(1)}${offer.speed === null ? '?' : ''}`,
        score.toFixed(0),
        place === 0 ? 'first' : '',
      ]),
    ),
    ...barred.map((offer) => row(offer, ['', '', '', `not asked: ${safe(offer.barred ?? '')}`])),
  ])
}

function explain({ ranked }: Ranking, prefer: Preference): void {
  for (const [place, scored] of ranked.entries()) {
    const name = peerName(scored.offer.known.lender)
    print(`\n${place + 1}. ${name}${place === 0 ? ` is first: ${explainFirst(ranked)}` : ''}`)
    for (const sentence of explainScore(scored, prefer)) print(`   ${sentence}`)
  }
  print(`\nThe setting "prefer" is ${prefer}. docs/choosing.md has the formula`)
}

/** One row for each lender, with what each of its models comes to. */
async function asJson(device: Device, ranking: Ranking, prefer: Preference) {
  const scores = new Map<AssessedOffer, { scored: Scored<AssessedOffer>; why: string[] }>()
  for (const group of byModel(ranking)) {
    for (const [place, scored] of group.ranked.entries()) {
      const first = place === 0 ? [`It is first: ${explainFirst(group.ranked)}.`] : []
      scores.set(scored.offer, { scored, why: [...first, ...explainScore(scored, prefer)] })
    }
  }
  const all = [...ranking.ranked.map(({ offer }) => offer), ...ranking.barred]
  const lenders = new Map(all.map(({ id, known }) => [id, known]))
  return Promise.all(
    [...lenders].map(async ([id, known]) => ({
      ...describe(known),
      isPayable: known.offer.payment === null || (await device.channels.payable(known)) !== null,
      refusedBecause: (await device.tables.standing.get(id))?.refusedBecause ?? null,
      models: all
        .filter((offer) => offer.id === id)
        .map((offer) => ({ ...describeModel(offer), ...scoreOf(offer, scores.get(offer)) })),
    })),
  )
}

function scoreOf(offer: AssessedOffer, found?: { scored: Scored; why: string[] }) {
  const { costUnits, speed, samples, barred } = offer
  const { score = null, seconds = null, chance = null } = found?.scored ?? {}
  return { barred, costUnits, score, seconds, chance, speed, samples, why: found?.why ?? [] }
}

function describeModel({ offered: { name, modelId, contextTokens, profile } }: AssessedOffer) {
  return { name, modelId: toHex(modelId), contextTokens, profile }
}

function describe({ lender, offer, rung, address }: KnownOffer) {
  return {
    device: peerName(lender),
    key: toHex(lender),
    address,
    rung,
    prices: offer.payment?.prices ?? null,
    expiresAtMs: offer.expiresAtMs,
  }
}
