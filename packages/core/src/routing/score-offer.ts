import type { Random } from '../platform.ts'
import { byRung, type Rung } from './route.ts'

/** What the owner would rather have: docs/choosing.md. */
export type Preference = 'cheap' | 'balanced' | 'fast'
export const PREFERENCES = ['cheap', 'balanced', 'fast'] as const satisfies readonly Preference[]

/**
 * What a second of waiting is worth, in token units. At six decimals `balanced` is 3.6 cents an hour
 * of waiting: about what an hour of answers costs, so that neither side of the sum drowns the other.
 */
export const SECOND_UNITS: Readonly<Record<Preference, number>> = {
  cheap: 1,
  balanced: 10,
  fast: 100,
}

/** How fast a lender was, over the answers that still count. Times in milliseconds. */
export interface Speed {
  connectMs: number
  /** From asking for a place to having one: a round trip, and the lender's line. */
  readyMs: number
  firstTokenMs: number
  tokensPerSecond: number
}

/** An offer as far as the choice depends on it. */
export interface Choosable {
  /** Device key, hex. */
  id: string
  rung: Rung
  /** Why it may not be asked at all; null: it may. */
  barred: string | null
  /** A channel to it is to be opened first, which waits for a block. */
  needsOpening: boolean
  /** What the answer costs at most, in token units. */
  costUnits: number
  /** Longest answer that is asked for. */
  maxTokens: number
  /** As measured; null: nobody here has asked it yet. */
  speed: Speed | null
  /** How many answers stand behind `speed`, with those that are long past counting less. */
  samples: number
  /** Answers that came whole, and those that did not, counted likewise. */
  whole: number
  broken: number
  /** Estimated rate of wrong answers, 0 to 1, from our own audits. */
  errorRate: number
  /** Whether there is a table to judge its answers by. */
  isAuditable: boolean
}

/** An offer with its score, and what that is made of. */
export interface Scored<T extends Choosable = Choosable> {
  offer: T
  /** Expected token units until a good answer is here, waiting included; the lowest is best. */
  score: number
  /** How long the longest answer takes. */
  seconds: number
  /** Careful estimate of the chance that an answer comes whole and is right, above 0. */
  chance: number
}

/** What is thought of a lender that nobody has measured: an ordinary device on an ordinary line. */
export const USUAL_SPEED: Speed = {
  connectMs: 200,
  readyMs: 100,
  firstTokenMs: 1_000,
  tokensPerSecond: 10,
}
/** The usual counts as much as so many answers. */
const USUAL_WEIGHT = 1
/** Before any answer: as if two had come whole and one had not. */
const PRIOR_WHOLE = 2
const PRIOR_BROKEN = 1
/** Standard deviations by which the chance is estimated low: few answers prove little. */
const CAUTION = 1
/** Below this nothing is estimated: it keeps scores finite. */
const LEAST_CHANCE = 0.001

/**
 * Scores one offer: (cost + seconds × what a second is worth) / chance. Who asks until a good answer
 * comes asks 1/chance times on average (geometric trials), and pays and waits each time.
 */
export function scoreOffer<T extends Choosable>(offer: T, prefer: Preference): Scored<T> {
  const seconds = secondsOf(offer)
  const chance = chanceOf(offer)
  const score = (offer.costUnits + seconds * SECOND_UNITS[prefer]) / chance
  return { offer, score, seconds, chance }
}

/** Those that may be asked, the best first: the nearest, then those that can be paid at once, then the lowest score, then by key. */
export function rankOffers<T extends Choosable>(
  offers: readonly T[],
  prefer: Preference,
): Scored<T>[] {
  return offers
    .filter(({ barred }) => barred === null)
    .map((offer) => scoreOffer(offer, prefer))
    .sort(
      (one, other) =>
        // Nobody farther away reads what somebody nearer can answer, however cheap.
        byRung(one.offer.rung, other.offer.rung) ||
        Number(one.offer.needsOpening) - Number(other.offer.needsOpening) ||
        one.score - other.score ||
        (one.offer.id < other.offer.id ? -1 : 1),
    )
}

/** In one of so many requests somebody is tried whom few answers are known of. */
export const TRY_ONE_IN = 16
/** Fewer answers than this are few. */
const FEW_SAMPLES = 3
/** A trial may cost so many times what the best offer costs. */
const TRIAL_COST = 2

/**
 * Picks from a ranking: its first, or now and then one that is hardly known, as near and not much
 * dearer, so that newcomers are heard without being preferred. While the first is itself hardly known
 * nothing is drawn: asking it is the trial.
 */
export function pickOffer<T extends Choosable>(
  ranked: readonly Scored<T>[],
  random: Random,
): { chosen: Scored<T>; isTrial: boolean } | undefined {
  const [best] = ranked
  if (best === undefined) return undefined
  const known = { chosen: best, isTrial: false }
  if (isFew(best.offer)) return known
  const newcomers = ranked.filter(
    ({ offer }) =>
      isFew(offer) &&
      !offer.needsOpening &&
      offer.rung === best.offer.rung &&
      offer.costUnits <= TRIAL_COST * best.offer.costUnits,
  )
  if (newcomers.length === 0 || draw(random, TRY_ONE_IN) !== 0) return known
  const chosen = newcomers[draw(random, newcomers.length)]
  return chosen === undefined ? known : { chosen, isTrial: true }
}

function isFew({ samples }: Choosable): boolean {
  return samples < FEW_SAMPLES
}

/** A whole number below `count`; of 2^32 values the skew is nothing here. */
function draw(random: Random, count: number): number {
  const bytes = random(4)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) % count
}

/** The usual and what was measured, each by its weight. */
function secondsOf({ speed, samples, maxTokens }: Choosable): number {
  const weight = speed === null ? 0 : samples / (samples + USUAL_WEIGHT)
  const blend = (of: (one: Speed) => number) =>
    (1 - weight) * of(USUAL_SPEED) + weight * of(speed ?? USUAL_SPEED)
  const waitMs = blend(({ connectMs, readyMs, firstTokenMs }) => connectMs + readyMs + firstTokenMs)
  // Seconds for a token are blended, since they add up; tokens for a second do not.
  const tokenSeconds = blend(({ tokensPerSecond }) => 1 / tokensPerSecond)
  return waitMs / 1_000 + maxTokens * tokenSeconds
}

/** Lower bound of a beta posterior over whole answers, times the chance that an answer is right. */
function chanceOf({ whole, broken, errorRate, isAuditable }: Choosable): number {
  const a = PRIOR_WHOLE + whole
  const b = PRIOR_BROKEN + broken
  const mean = a / (a + b)
  const deviation = Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)))
  // What cannot be judged can be wrong twice as often before anybody notices.
  const wrong = Math.min(1, isAuditable ? errorRate : 2 * errorRate)
  return Math.max(LEAST_CHANCE, mean - CAUTION * deviation) * Math.max(LEAST_CHANCE, 1 - wrong)
}
