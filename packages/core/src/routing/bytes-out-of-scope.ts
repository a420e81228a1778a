import type { Scope } from '../wire/frames.ts'
import type { EgressEntry } from './egress-log.ts'
import { isWithin, type Rung } from './route.ts'

export interface OutOfScopeInit {
  /** Who a device is to this one, by its key in hex; a stranger is of the market. */
  rungOf: (device: string) => Rung
  /** How far a departure was allowed to travel. @default what the log says of it */
  scopeOf?: ((entry: EgressEntry) => Scope) | undefined
}

/** Bytes of content that went to somebody whom their scope does not reach: there are none, or a defect. */
export function bytesOutOfScope(
  entries: readonly EgressEntry[],
  { rungOf, scopeOf = ({ scope }) => scope }: OutOfScopeInit,
): number {
  return entries
    .filter((entry) => !isWithin(scopeOf(entry), rungOf(entry.to)))
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}
