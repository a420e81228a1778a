import { type Finding, KINDS } from './finding.ts'

const RANKS = { named: 0, secret: 1, personal: 2 } as const

/** Joins what overlaps, so that each place is in one finding; the graver sort names it. */
export function joinOverlaps(findings: readonly Finding[]): Finding[] {
  const sorted = [...findings].sort((one, other) => one.start - other.start)
  const joined: Finding[] = []
  for (const finding of sorted) {
    const last = joined.at(-1)
    if (last === undefined || finding.start >= last.end) joined.push({ ...finding })
    else {
      last.end = Math.max(last.end, finding.end)
      if (RANKS[KINDS[finding.kind].sort] < RANKS[KINDS[last.kind].sort]) last.kind = finding.kind
    }
  }
  return joined
}
