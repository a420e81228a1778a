import { NEW_STANDING } from '../audit/standing.ts'
import { toHex } from '../bytes.ts'
import type { Ceilings } from '../clearing/budget.ts'
import { rawCost, units } from '../clearing/meter.ts'
import { isWithin } from '../routing/route.ts'
import type { Choosable } from '../routing/score-offer.ts'
import type { OfferedModel, OfferedPayment } from '../wire/offer.ts'
import type { ChannelService } from './channels.ts'
import type { Candidate, Terms } from './lenders.ts'
import { brokenOf, type Measurements, speedOf } from './measurements.ts'
import type { Parts } from './parts.ts'
import type { WarmChannels } from './warm-channels.ts'

/** An offer, and what this device knows about who makes it. */
export interface AssessedOffer extends Choosable, Candidate {}

/** Puts together what the choice depends on. */
export async function assessOffer(
  candidate: Candidate,
  question: Terms,
  { tables, calibration }: Pick<Parts, 'tables' | 'calibration'>,
  {
    channels,
    warm,
    measurements,
  }: { channels: ChannelService; warm: WarmChannels; measurements: Measurements },
): Promise<AssessedOffer> {
  const { known, offered } = candidate
  const { payment } = known.offer
  const id = toHex(known.lender)
  const standing = { ...NEW_STANDING, ...(await tables.standing.get(id)) }
  const measured = await measurements.of(id, toHex(offered.modelId))
  const { promptTokens, maxTokens, scope, ceilings } = question
  const isPaid = payment === null || (await channels.payable(known)) !== null
  const dear = overCeiling(payment, ceilings, maxTokens)
  const barred = !isWithin(scope, known.rung)
    ? `scope "${scope}" does not reach it`
    : standing.refusedBecause !== null
      ? `it failed audits: ${standing.refusedBecause}`
      : dear !== null
        ? `${dear.what}: ${dear.why}`
        : isPaid || (await warm.mayOpen(known))
          ? null
          : 'it cannot be paid now: there is no open channel to it'
  const cost = payment === null ? 0n : units(rawCost(payment.prices, promptTokens, 0, maxTokens))
  const speed = measured && speedOf(measured)
  return {
    ...candidate,
    id,
    rung: known.rung,
    barred,
    needsOpening: !isPaid,
    costUnits: Number(cost),
    maxTokens,
    speed: speed?.speed ?? null,
    samples: speed?.samples ?? 0,
    whole: measured?.whole ?? 0,
    broken: measured === undefined ? 0 : brokenOf(measured),
    errorRate: standing.errorRate,
    isAuditable: isAuditable(offered, calibration),
  }
}

/**
 * What about an offer's prices is above what the owner lets be paid, whatever the prompt is; null:
 * nothing. What the prompt costs besides is known once it is tokens, and checked then.
 */
export function overCeiling(
  payment: OfferedPayment | null,
  { perMillion = null, perRequest }: Ceilings,
  maxTokens: number,
): { what: string; why: string; next: string } | null {
  if (payment === null) return null
  const { prompt, cached, output } = payment.prices
  const highest = BigInt(Math.max(prompt, cached, output))
  const next = 'find a cheaper lender, or raise it: freehold wallet limits'
  if (perMillion !== null && highest > perMillion) {
    return {
      what: `this lender asks ${highest} token units for a million tokens`,
      why: `you let them cost ${perMillion}`,
      next: next.replace('find', 'Find'),
    }
  }
  const least = units(rawCost(payment.prices, 0, 0, maxTokens))
  if (perRequest !== null && least > perRequest) {
    return {
      what: `the answer may cost ${least} token units`,
      why: `you let one cost ${perRequest}`,
      next: `Ask for fewer tokens, ${next}`,
    }
  }
  return null
}

/** Whether anybody's replay of this lender's answers has a table to be judged by. */
function isAuditable(
  { modelId, profile }: OfferedModel,
  calibration: Parts['calibration'],
): boolean {
  const id = toHex(modelId)
  return (
    profile.kvType === 'f16' &&
    calibration.some((table) => table.modelId === id && table.lenderBackend === profile.backend)
  )
}
