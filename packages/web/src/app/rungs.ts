/** What whoever may be asked is called. */
export const RUNGS = { own: 'scopeOwn', friends: 'scopeFriends', market: 'scopeMarket' } as const

/** Such as `mail × 2`. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([kind, count]) => `${kind} × ${count}`)
    .join(', ')
}
