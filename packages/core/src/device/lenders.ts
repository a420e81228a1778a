import { withinTime } from '../abort.ts'
import { equal, toHex } from '../bytes.ts'
import type { Ceilings } from '../clearing/budget.ts'
import { CeilingError, LendingError, UsageError } from '../errors.ts'
import { peerName } from '../identity/peer-name.ts'
import { asLendingError } from '../lending/duplex.ts'
import { explainChoice } from '../routing/explain-offer.ts'
import { isWithin } from '../routing/route.ts'
import { pickOffer, rankOffers, type Scored } from '../routing/score-offer.ts'
import type { Scope } from '../wire/frames.ts'
import type { OfferedModel } from '../wire/offer.ts'
import { type AssessedOffer, assessOffer, overCeiling } from './assess-offer.ts'
import type { ChannelService } from './channels.ts'
import type { DiscoveringService } from './discovering.ts'
import { endBorrowedLeftOvers } from './left-overs.ts'
import type { Measurements } from './measurements.ts'
import { isModelId } from './model-id.ts'
import { isMeant } from './offers.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'
import type { WarmChannels } from './warm-channels.ts'

export interface LenderQuestion {
  /** Id in hex, or a name that lenders know the model by. */
  model: string
  /** What to call it in a sentence. */
  name: string
  scope: Exclude<Scope, 'device'>
  /** Only this lender, by its device key in hex. */
  lender?: string | undefined
  /** None of these, by their device keys in hex. */
  except?: ReadonlySet<string> | undefined
  /** Tokens of the prompt, as far as they are known yet, and most of the answer. */
  promptTokens: number
  maxTokens: number
  ceilings: Ceilings
  signal?: AbortSignal | undefined
}

/** What a request is like, as far as an offer's worth depends on it. */
export type Terms = Pick<LenderQuestion, 'scope' | 'promptTokens' | 'maxTokens' | 'ceilings'>

/** A lender, and what it offers of the model that is meant. */
export interface Candidate {
  known: KnownOffer
  offered: OfferedModel
}

/** The lender to borrow from, and all devices that offer the model with the same manifest. */
export interface Choice extends Candidate {
  sources: KnownOffer[]
  /** Why this one, in a line. */
  why: string
}

/** Every offer of a model: those that may be asked, the best first, and the others with what bars them. */
export interface Ranking {
  ranked: Scored<AssessedOffer>[]
  barred: AssessedOffer[]
}

/** Finds whom to borrow from. */
export interface LenderService {
  /**
   * The nearest lender of a model that scope, standing and money allow, and of these the best by
   * price, speed and standing: docs/choosing.md. Now and then one that is hardly known.
   * @throws LendingError saying why there is none, UsageError when a name means several models
   */
  choose(question: LenderQuestion): Promise<Choice>
  /**
   * How offers compare for a request, whatever bars them; without a model those of all models. Asks
   * nobody for an answer.
   */
  rank(question: Omit<LenderQuestion, 'model' | 'name'> & { model?: string }): Promise<Ranking>
  /** The same model in the lender's present offer. @throws LendingError when it is not there */
  renew(candidate: Candidate, init?: { signal?: AbortSignal | undefined }): Promise<Candidate>
}

export function createLenderService(
  parts: Parts,
  services: {
    peers: PeerService
    channels: ChannelService
    warm: WarmChannels
    measurements: Measurements
    discovering: DiscoveringService
  },
): LenderService {
  const { peers, discovering } = services
  const { tables, prefer, random, warm: limits, quarantine, deadlines } = parts
  const assess = (candidate: Candidate, question: Terms) =>
    assessOffer(candidate, question, parts, services)

  /** Offers of everybody, or of the one lender that is meant. */
  async function meantOffers({
    lender,
    signal,
  }: Pick<LenderQuestion, 'lender' | 'signal'>): Promise<KnownOffer[]> {
    const all = await peers.offers({ signal })
    return lender === undefined ? all : all.filter((known) => toHex(known.lender) === lender)
  }

  /** The same, after the network was asked for lenders if none is known. */
  async function foundOffers(question: LenderQuestion): Promise<KnownOffer[]> {
    const { signal } = question
    const all = await meantOffers(question)
    if (!mustLook(question, all)) return all
    await discovering.look(question.model.toLowerCase(), { signal })
    return meantOffers(question)
  }

  /** Who offers a model within the scope and was never convicted; payable or not. */
  async function candidates(question: LenderQuestion): Promise<Candidate[]> {
    const found: Candidate[] = []
    for (const known of await foundOffers(question)) {
      const device = toHex(known.lender)
      if (question.except?.has(device)) continue
      if (!isWithin(question.scope, known.rung)) continue
      if ((await tables.standing.get(device))?.refusedBecause) continue
      for (const offered of meantModels(known, question.model)) found.push({ known, offered })
    }
    return requireOneModel(found, question.model)
  }

  async function choose(question: LenderQuestion): Promise<Choice> {
    await endBorrowedLeftOvers(parts)
    const all = await candidates(question)
    const assessed = await Promise.all(all.map((candidate) => assess(candidate, question)))
    const open = assessed.filter(({ barred }) => barred === null)
    const { ready, wary } = await byQuarantine(open, question)
    const ranked = rankOffers(ready.length > 0 || wary === undefined ? ready : [wary], prefer)
    const picked = pickOffer(ranked, random)
    if (picked === undefined)
      throw overCeilings(assessed, question) ?? (await explainNobody(question))
    const chosen = picked.chosen.offer
    const why = explainChoice(peerName(chosen.known.lender), picked.chosen, { ...picked, ranked })
    const same = all.filter(({ offered }) =>
      equal(offered.manifestHash, chosen.offered.manifestHash),
    )
    const sources = [chosen, ...same.filter(({ known }) => known !== chosen.known)]
    const { known, offered } = chosen
    return { known, offered, why, sources: sources.map((source) => source.known) }
  }

  async function rank(question: Parameters<LenderService['rank']>[0]): Promise<Ranking> {
    await endBorrowedLeftOvers(parts)
    const candidates = (await meantOffers(question)).flatMap((known) =>
      meantModels(known, question.model).map((offered) => ({ known, offered })),
    )
    const all = await Promise.all(candidates.map((candidate) => assess(candidate, question)))
    return { ranked: rankOffers(all, prefer), barred: all.filter(({ barred }) => barred !== null) }
  }

  /** Who failed lately comes last, and alone: whoever is back soonest. Who lied lately comes never. */
  async function byQuarantine<Payable extends Candidate>(
    payable: Payable[],
    { lender }: LenderQuestion,
  ): Promise<{ ready: Payable[]; wary: Payable | undefined }> {
    // Somebody who is named is asked.
    if (lender !== undefined) return { ready: payable, wary: undefined }
    const looked = await Promise.all(
      payable.map(async (candidate) => ({
        candidate,
        ...(await quarantine.look(toHex(candidate.known.lender))),
      })),
    )
    const failed = looked.filter(({ leftMs, isLiar }) => leftMs > 0 && !isLiar)
    return {
      ready: looked.filter(({ leftMs }) => leftMs === 0).map(({ candidate }) => candidate),
      wary: failed.toSorted((one, other) => one.leftMs - other.leftMs)[0]?.candidate,
    }
  }

  /** Says why nobody may be asked, by what is in the way. */
  async function explainNobody(question: LenderQuestion): Promise<LendingError> {
    const all = await meantOffers(question)
    const next = 'See freehold offers'
    const what = `nobody lends ${question.name} to this request`
    if (all.length === 0) {
      return new LendingError('lost', { what, why: 'no lender is known or reachable', next })
    }
    const has = all.filter((known) => meantModels(known, question.model).length > 0)
    if (has.length === 0)
      return new LendingError('model', { what, why: 'none of them has it', next })
    const inScope = has.filter(({ rung }) => isWithin(question.scope, rung))
    if (inScope.length === 0) {
      return new LendingError('standing', {
        what,
        why: `scope "${question.scope}" reaches none`,
        next,
      })
    }
    const refused = await Promise.all(
      inScope.map(async ({ lender }) => (await tables.standing.get(toHex(lender)))?.refusedBecause),
    )
    if (refused.every(Boolean)) {
      return new LendingError('standing', { what, why: `failed audits: ${refused[0]}`, next })
    }
    const looked = await Promise.all(inScope.map(({ lender }) => quarantine.look(toHex(lender))))
    if (looked.some(({ isLiar }) => isLiar)) {
      const why = 'who has it broke the protocol lately'
      return new LendingError('standing', { what, why, next })
    }
    const byHand = 'Open a channel: freehold wallet open ADDRESS AMOUNT'
    if (limits !== null) {
      const why =
        'none can be paid now, and your limits for channels allow no further one, or it failed'
      const raise = `Raise them: freehold wallet limits. ${byHand}`
      return new LendingError('payment', { what, why, next: raise })
    }
    const byItself =
      'Or let them be opened within a budget: freehold wallet limits --warm-total UNITS'
    const opening = `${byHand}. ${byItself}`
    return new LendingError('payment', { what, why: 'none of them can be paid now', next: opening })
  }

  async function renew(
    { known, offered }: Candidate,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Candidate> {
    const inTime = withinTime(signal, deadlines.connectMs)
    const now = await peers.ask(known.address, { signal: inTime }).catch((error) => {
      signal?.throwIfAborted()
      throw asLendingError(error)
    })
    const same = now.offer.models.find((model) => equal(model.manifestHash, offered.manifestHash))
    if (same !== undefined && equal(now.lender, known.lender)) return { known: now, offered: same }
    throw new LendingError('model', { what: 'the lender does not offer this model any more' })
  }

  return { choose, rank, renew }
}

/**
 * Whether strangers may and must be asked who lends a model: by its digest alone, by who lets strangers answer, and while
 * nobody is known who could.
 */
function mustLook({ model, scope, lender, except }: LenderQuestion, all: KnownOffer[]): boolean {
  if (scope !== 'market' || lender !== undefined || !isModelId(model)) return false
  const left = all.filter((known) => !except?.has(toHex(known.lender)))
  return !left.some((known) => meantModels(known, model).length > 0)
}

/** When it is the owner's ceilings that are in the way. */
function overCeilings(
  assessed: readonly AssessedOffer[],
  { ceilings, maxTokens }: LenderQuestion,
): CeilingError | undefined {
  const [dear] = assessed
    .map(({ known }) => overCeiling(known.offer.payment, ceilings, maxTokens))
    .filter((one) => one !== null)
  return dear && new CeilingError(dear)
}

function meantModels({ offer }: KnownOffer, meant: string | undefined): OfferedModel[] {
  return offer.models.filter((model) => meant === undefined || isMeant(model, meant))
}

/** A name is only an alias: who means something else by it may not be borrowed from by mistake. */
function requireOneModel(found: Candidate[], meant: string): Candidate[] {
  const ids = (some: Candidate[]) => new Set(some.map(({ offered }) => toHex(offered.modelId)))
  if (ids(found).size <= 1) return found
  const own = found.filter(({ known }) => known.rung === 'own')
  if (ids(own).size === 1) return own
  throw new UsageError({
    what: `several models are called ${meant}`,
    why: [...ids(found)].join(', '),
    next: 'Name the one that you mean by its id',
  })
}
