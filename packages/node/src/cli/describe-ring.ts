import type { FoundRing } from '@freehold/core/device/set-off'

/** What became of a ring of debts, in a sentence for the person. */
export function describeRing({ accounts, amount, gas, result, why }: FoundRing): string {
  const what = `${amount} token units around ${accounts.length} devices`
  switch (result) {
    case 'found':
      return `Could set off ${what} for ${gas} gas`
    case 'done':
      return `Set off ${what} for ${gas} gas`
    default:
      return `Did not set off ${what}: ${why}`
  }
}
