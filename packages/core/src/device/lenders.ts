import { withinTime } from '../abort.ts'
import { equal, toHex } from '../bytes.ts'
import { LendingError, UsageError } from '../errors.ts'
import { asLendingError } from '../lending/duplex.ts'
import { byRung, isWithin } from '../routing/route.ts'
import type { Scope } from '../wire/frames.ts'
import type { OfferedModel } from '../wire/offer.ts'
import type { ChannelService } from './channels.ts'
import { endBorrowedLeftOvers } from './left-overs.ts'
import { isMeant } from './offers.ts'
import type { Parts } from './parts.ts'
import type { KnownOffer, PeerService } from './peers.ts'

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
  signal?: AbortSignal | undefined
}

/** A lender, and what it offers of the model that is meant. */
export interface Candidate {
  known: KnownOffer
  offered: OfferedModel
}

/** The lender to borrow from, and all devices that offer the model with the same manifest. */
export interface Choice extends Candidate {
  sources: KnownOffer[]
}

/** Finds whom to borrow from. */
export interface LenderService {
  /**
   * The nearest lender of a model that scope, standing and money allow, and of these the cheapest.
   * @throws LendingError saying why there is none, UsageError when a name means several models
   */
  choose(question: LenderQuestion): Promise<Choice>
  /** The same model in the lender's present offer. @throws LendingError when it is not there */
  renew(candidate: Candidate, init?: { signal?: AbortSignal | undefined }): Promise<Candidate>
}

export function createLenderService(
  parts: Parts,
  { peers, channels }: { peers: PeerService; channels: ChannelService },
): LenderService {
  const { tables, quarantine, deadlines } = parts

  /** Offers of everybody, or of the one lender that is meant. */
  async function meantOffers({ lender, signal }: LenderQuestion): Promise<KnownOffer[]> {
    const all = await peers.offers({ signal })
    return lender === undefined ? all : all.filter((known) => toHex(known.lender) === lender)
  }

  /** Who offers a model within the scope and was never convicted; payable or not. */
  async function candidates(question: LenderQuestion): Promise<Candidate[]> {
    const found: Candidate[] = []
    for (const known of await meantOffers(question)) {
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
    const payable: Candidate[] = []
    for (const candidate of all) {
      const { known } = candidate
      const isFree = known.offer.payment === null
      if (isFree || (await channels.payable(known)) !== null) payable.push(candidate)
    }
    const { ready, wary } = await byQuarantine(payable, question)
    const price = ({ known }: Candidate) => known.offer.payment?.prices.output ?? 0
    // Nobody farther away reads what somebody nearer can answer, however cheap.
    const [chosen = wary] = ready.sort(
      (one, other) => byRung(one.known.rung, other.known.rung) || price(one) - price(other),
    )
    if (chosen === undefined) throw await explainNobody(question)
    const same = all.filter(({ offered }) =>
      equal(offered.manifestHash, chosen.offered.manifestHash),
    )
    const sources = [chosen, ...same.filter((one) => one.known !== chosen.known)]
    return { ...chosen, sources: sources.map(({ known }) => known) }
  }

  /** Who failed lately comes last, and alone: whoever is back soonest. Who lied lately comes never. */
  async function byQuarantine(
    payable: Candidate[],
    { lender }: LenderQuestion,
  ): Promise<{ ready: Candidate[]; wary: Candidate | undefined }> {
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
    const how = 'Open a channel: freehold wallet open ADDRESS AMOUNT'
    return new LendingError('payment', { what, why: 'none of them can be paid now', next: how })
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

  return { choose, renew }
}

function meantModels({ offer }: KnownOffer, meant: string): OfferedModel[] {
  return offer.models.filter((model) => isMeant(model, meant))
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
