import { findAddressPasswords, findAssignedSecrets } from './assigned-secrets.ts'
import { type Finder, type Finding, KINDS } from './finding.ts'
import { findMailAddresses } from './mail-addresses.ts'
import { findCards, findIbans } from './payment.ts'
import { findPhoneNumbers } from './phone-numbers.ts'
import { findPrefixedKeys } from './prefixed-keys.ts'
import { findEthereumKeys, findJsonWebTokens, findPemKeys } from './private-keys.ts'
import { findRecoveryPhrases } from './recovery-phrases.ts'
import { Scan } from './scan.ts'

/** All that look for something; where two find the same place, the first one names it. */
export const FINDERS: readonly Finder[] = [
  findPemKeys,
  findRecoveryPhrases,
  findEthereumKeys,
  findJsonWebTokens,
  findPrefixedKeys,
  findAssignedSecrets,
  findAddressPasswords,
  findIbans,
  findCards,
  findMailAddresses,
  findPhoneNumbers,
]

/**
 * What looks like a secret or like personal data, from left to right. It knows what is written plainly, in
 * common forms; what was disguised it does not find.
 * @throws TooDenseError when the text takes too long to be looked through
 */
export function findSensitive(text: string, finders: readonly Finder[] = FINDERS): Finding[] {
  const scan = new Scan(text)
  const found = finders.flatMap((find) => find(scan))
  return withoutContained(found)
}

/** Leaves out what lies inside of something else of its sort; of two at one place the first stays. */
function withoutContained(findings: readonly Finding[]): Finding[] {
  // Of those that begin alike the longest comes first.
  const sorted = [...findings].sort((one, other) => one.start - other.start || other.end - one.end)
  const covered = { secret: 0, personal: 0, named: 0 }
  return sorted.filter(({ kind, end }) => {
    const { sort } = KINDS[kind]
    const isContained = end <= covered[sort]
    covered[sort] = Math.max(covered[sort], end)
    return !isContained
  })
}
