import type { Scan } from './scan.ts'

/** Whether what was found opens doors, tells about a person, or is what the owner named. */
export type Sort = 'secret' | 'personal' | 'named'

/** Everything that can be found, with its sort and what a sentence calls it. */
export const KINDS = {
  'ai-key': { sort: 'secret', name: 'key of an AI service' },
  'aws-key': { sort: 'secret', name: 'AWS access key' },
  'github-token': { sort: 'secret', name: 'GitHub token' },
  'gitlab-token': { sort: 'secret', name: 'GitLab token' },
  'google-key': { sort: 'secret', name: 'Google key' },
  'slack-token': { sort: 'secret', name: 'Slack token' },
  'stripe-key': { sort: 'secret', name: 'Stripe key' },
  'service-token': { sort: 'secret', name: 'token of a service' },
  jwt: { sort: 'secret', name: 'JSON web token' },
  'private-key': { sort: 'secret', name: 'private key' },
  'ethereum-key': { sort: 'secret', name: 'Ethereum private key' },
  'recovery-phrase': { sort: 'secret', name: 'recovery phrase' },
  password: { sort: 'secret', name: 'password' },
  'assigned-secret': { sort: 'secret', name: 'secret value' },
  card: { sort: 'personal', name: 'payment card' },
  iban: { sort: 'personal', name: 'IBAN' },
  mail: { sort: 'personal', name: 'mail address' },
  phone: { sort: 'personal', name: 'phone number' },
  text: { sort: 'named', name: 'text that a rule names' },
} as const satisfies Record<string, { sort: Sort; name: string }>

export type Kind = keyof typeof KINDS

export function isKind(word: string): word is Kind {
  return Object.hasOwn(KINDS, word)
}

/** A part of a text, in UTF-16 units. */
export interface Finding {
  kind: Kind
  start: number
  end: number
}

/** Looks for what it knows. It reads each character a bounded number of times. */
export type Finder = (scan: Scan) => Finding[]
