import { blame, type Tally } from '../crash/tally.ts'
import { isLie, KINDS, type Kind } from './plan.ts'
import type { Lie, Move } from './protocol.ts'

/** A fault that was done, with when and to whom. */
export interface Done {
  kind: Kind
  /** Device key of the lender, hex; null: the chain's. */
  lender: string | null
  fromMs: number
  /** When it was undone and the lender was itself again. */
  untilMs: number
}

export interface FaultFigures {
  kind: Kind | 'none'
  tried: number
  noticedMsP50: number | null
  noticedMsP95: number | null
  elsewhereMsP50: number | null
  elsewhereMsP95: number | null
  falseAlarms: number
}

/** Faults that shall stop no answer: giving a lender up for one is a false alarm. */
const HARMLESS: ReadonlySet<Kind> = new Set(['slow', 'skewed', 'chain-down'])
/** A lender that has come back is not back at every borrower at once. */
const AFTER_MS = 3_000
/** An answer should have gone on by then. */
const LATE_MS = 5_000
const ALARMS = new Set(['lost', 'deadline', 'stall', 'protocol', 'engine'])

export interface Observed {
  done: readonly Done[]
  moves: readonly Move[]
  lies: readonly { lie: Lie; lender: string; atMs: number }[]
  /** By which borrower, by its name; each goes by its own audits. */
  convicted: readonly { by: string; lender: string; endedAtMs: number; atMs: number }[]
}

/** What was noticed of each fault, how soon, and what was noticed that was none. */
export function figuresOf(
  { done, moves, lies, convicted }: Observed,
  tally: Tally,
): FaultFigures[] {
  const samples = new Map<
    Kind | 'none',
    { noticed: number[]; elsewhere: number[]; alarms: number }
  >()
  const of = (kind: Kind | 'none') => {
    const one = samples.get(kind) ?? { noticed: [], elsewhere: [], alarms: 0 }
    samples.set(kind, one)
    return one
  }
  for (const move of moves.filter(({ reason }) => ALARMS.has(reason))) {
    const { lender, askedAtMs, brokeAtMs, elsewhereAtMs } = move
    const during = done.filter(
      (one) =>
        (one.lender ?? lender) === lender &&
        one.fromMs <= brokeAtMs &&
        brokeAtMs <= one.untilMs + AFTER_MS,
    )
    const fault = during.find(({ kind }) => !HARMLESS.has(kind))
    if (fault === undefined) {
      const kind = during[0]?.kind ?? 'none'
      of(kind).alarms++
      tally.problems.push(`false alarm (${kind}): ${move.reason}, ${move.message}`)
      continue
    }
    const lie = lies.findLast((one) => one.lender === lender && one.atMs <= brokeAtMs)
    const fromMs = isLie(fault.kind)
      ? (lie?.atMs ?? fault.fromMs)
      : Math.max(fault.fromMs, askedAtMs)
    of(fault.kind).noticed.push(brokeAtMs - fromMs)
    if (elsewhereAtMs === null) continue
    const elsewhereMs = elsewhereAtMs - fromMs
    of(fault.kind).elsewhere.push(elsewhereMs)
    if (elsewhereMs <= LATE_MS) continue
    const others = done.filter(
      (one) => one !== fault && one.fromMs <= elsewhereAtMs && brokeAtMs <= one.untilMs,
    )
    tally.problems.push(
      `${elsewhereMs} ms until an answer went on elsewhere (${fault.kind}); with another lender then: ` +
        (others.map(({ kind }) => kind).join(', ') || 'nothing'),
    )
  }
  for (const { lender, endedAtMs, atMs } of convicted) {
    const fault = done.find((one) => one.lender === lender && one.kind === 'wrong-model')
    if (fault !== undefined) of('wrong-model').noticed.push(atMs - endedAtMs)
    else blame(tally, 'answersWrong', 1, `an honest lender was convicted: ${lender}`)
  }
  return [...KINDS, 'none' as const].map((kind) => {
    const { noticed, elsewhere, alarms } = of(kind)
    return {
      kind,
      tried: done.filter((one) => one.kind === kind).length,
      noticedMsP50: quantile(noticed, 0.5),
      noticedMsP95: quantile(noticed, 0.95),
      elsewhereMsP50: quantile(elsewhere, 0.5),
      elsewhereMsP95: quantile(elsewhere, 0.95),
      falseAlarms: alarms,
    }
  })
}

function quantile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}
