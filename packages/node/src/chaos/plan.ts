import { seededDice } from '../demo/dice.ts'
import { LIES } from './protocol.ts'

/** What is done to a lender, or to the chain; `slow`, `skewed` and `chain-down` shall stop nobody. */
export const KINDS = [
  'killed',
  'frozen',
  'cut-off',
  'wedged',
  'slow',
  ...LIES,
  'chain-down',
  'skewed',
  'disk-full',
] as const
export type Kind = (typeof KINDS)[number]

/** Whom it hits is whoever is at work then. */
export interface Fault {
  kind: Kind
  atMs: number
  /** After this it is undone; a liar lies on. */
  lastsMs: number
}

const LASTS_MS = [6_000, 10_000] as const

/** The faults of a run, as a function of its seed: every kind once, then by lot, and each lie once. */
export function planFaults(
  seed: string,
  { seconds, everyMs }: { seconds: number; everyMs: number },
): Fault[] {
  const dice = seededDice(seed)
  const again = KINDS.filter((kind) => !isLie(kind))
  const first = shuffled(KINDS, dice)
  const plan: Fault[] = []
  for (let atMs = everyMs; atMs < seconds * 1_000 - 2 * everyMs; atMs += everyMs) {
    const kind = first.shift() ?? (again[Math.floor(dice() * again.length)] as Kind)
    const lastsMs = LASTS_MS[0] + dice() * (LASTS_MS[1] - LASTS_MS[0])
    plan.push({ kind, atMs, lastsMs })
  }
  return plan
}

export function isLie(kind: Kind): kind is (typeof LIES)[number] {
  return (LIES as readonly string[]).includes(kind)
}

function shuffled<T>(some: readonly T[], dice: () => number): T[] {
  return some
    .map((one) => ({ one, by: dice() }))
    .toSorted((a, b) => a.by - b.by)
    .map(({ one }) => one)
}
