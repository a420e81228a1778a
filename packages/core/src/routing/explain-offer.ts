import type { Rung } from './route.ts'
import { type Preference, type Scored, SECOND_UNITS } from './score-offer.ts'

/** Who a lender is, in words. */
export const RUNG_WORDS: Readonly<Record<Rung, string>> = {
  own: 'a device of yours',
  friends: 'a friend’s device',
  market: 'a stranger’s device',
}

/** What a score is made of, in one sentence each. */
export function explainScore({ offer, score, seconds, chance }: Scored, prefer: Preference) {
  const { speed, samples, whole, broken, errorRate, isAuditable, maxTokens } = offer
  const second = SECOND_UNITS[prefer]
  return [
    `It is ${RUNG_WORDS[offer.rung]}.`,
    `${maxTokens} tokens cost ${costWords(offer.costUnits)}.`,
    speed === null
      ? `They take about ${time(seconds)}: nobody measured it yet, so it counts as a usual device.`
      : `They take about ${time(seconds)}: ${Math.round(speed.connectMs)} ms to connect, ` +
        `${Math.round(speed.readyMs)} ms to get a place, ${Math.round(speed.firstTokenMs)} ms to the ` +
        `first token, ${round(speed.tokensPerSecond)} tokens a second, over ${round(samples)} answers.`,
    `${round(whole)} answers came whole and ${round(broken)} did not; our audits put wrong ones at ` +
      `${percent(errorRate)}${isAuditable ? '' : ', counted twice: no table judges this device'}. ` +
      `Careful chance of a good answer: ${percent(chance)}.`,
    `Score: (${round(offer.costUnits)} + ${round(seconds)} s × ${second}) / ${chance.toFixed(3)} = ` +
      `${round(score)} units until a good answer.`,
  ]
}

/** Why the first of a ranking is first. */
export function explainFirst(ranked: readonly Scored[]): string {
  const [first, second] = ranked
  if (first === undefined) return 'nobody may be asked'
  if (second === undefined) return 'it is the only one that may be asked'
  if (first.offer.rung !== second.offer.rung) return `it is nearer: ${RUNG_WORDS[first.offer.rung]}`
  const better = [
    first.offer.costUnits < second.offer.costUnits && 'cheaper',
    first.seconds < second.seconds && 'quicker',
    first.chance > second.chance && 'surer',
  ].filter((word) => word !== false)
  const how = better.length === 0 ? 'as good, and its key comes first' : better.join(' and ')
  return `it scores ${round(first.score)} against ${round(second.score)}: ${how}`
}

/** A choice in one line, for the egress log and `run --verbose`. @param name how people know the lender */
export function explainChoice(
  name: string,
  { offer, seconds }: Scored,
  { ranked, isTrial }: { ranked: readonly Scored[]; isTrial: boolean },
): string {
  const terms = `${costWords(offer.costUnits)} and about ${time(seconds)} for ${offer.maxTokens} tokens`
  const why = isTrial ? 'a trial of one that is hardly known' : explainFirst(ranked)
  return `${name} of ${ranked.length} (${terms}): ${why}`
}

function costWords(units: number): string {
  return units === 0 ? 'nothing' : `at most ${round(units)} units`
}

function time(seconds: number): string {
  return `${round(seconds)} s`
}

function percent(share: number): string {
  return `${round(100 * share)} %`
}

/** Three figures: nobody knows these numbers better. */
function round(value: number): string {
  return String(Number(value.toPrecision(value >= 1_000 ? 6 : 3)))
}
