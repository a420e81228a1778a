import { UsageError } from '../errors.ts'
import type { Scope } from '../wire/frames.ts'
import { isKind, KINDS, type Kind } from './detect/finding.ts'
import { readPattern, type TextPattern } from './text-pattern.ts'

/** What may be done with what was found: `pass` lets it travel although it would not by itself. */
export type Deed = 'block' | 'redact' | 'pass'

/** What an owner set: for requests to which all of its conditions apply. */
export interface Rule {
  /** Name or id of the model. */
  model: TextPattern | null
  /** Name of the token that the request came with. */
  key: string | null
  /** Any of these is found in the request. */
  finds: readonly Kind[] | null
  /** Any of these texts is found in it. */
  text: readonly TextPattern[] | null
  /** How far the request may travel then; null: `deed` says what happens. */
  scope: Scope | null
  deed: Deed | null
  /** The widest scope in which `deed` does not apply. */
  beyond: Scope
  /** Why, in a sentence. */
  why: string
}

export interface RulesInit {
  /** Names of tokens that there are; undefined: nobody can know. */
  keys?: readonly string[] | undefined
}

export const SCOPES = ['device', 'own', 'friends', 'market'] as const satisfies readonly Scope[]
const DEEDS = ['block', 'redact', 'pass'] as const satisfies readonly Deed[]
const FIELDS = ['model', 'key', 'finds', 'text', 'scope', 'do', 'beyond', 'why']
const SORTS = ['secret', 'personal'] as const
const MOST_RULES = 1_000
const NEXT = 'Correct the settings: docs/privacy.md tells what a rule may hold'

/**
 * Reads the owner's rules. A rule that is not understood is never left out: it may be the one that keeps
 * something here.
 * @throws UsageError naming the rule and what is wrong with it
 */
export function readRules(value: unknown, init: RulesInit = {}): Rule[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw broken('the privacy rules', 'are no list')
  if (value.length > MOST_RULES) throw broken('the privacy rules', `are more than ${MOST_RULES}`)
  return value.map((rule: unknown, index) => readRule(rule, index + 1, init))
}

function readRule(value: unknown, number: number, { keys }: RulesInit): Rule {
  const name = `privacy rule ${number}`
  const fail = (why: string): never => {
    throw broken(name, why)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fail('is no object')
  }
  const given = value as Record<string, unknown>
  const unknown = Object.keys(given).find((field) => !FIELDS.includes(field))
  if (unknown !== undefined) fail(`has a field "${unknown}" that means nothing`)
  const oneOf = <Word extends string>(field: string, words: readonly Word[]): Word | null => {
    const word = given[field]
    if (word === undefined) return null
    return words.find((each) => each === word) ?? fail(`${field} is one of ${words.join(', ')}`)
  }
  const text = (field: string): string | null => {
    const words = given[field]
    if (words === undefined) return null
    return typeof words === 'string' && words !== '' ? words : fail(`${field} is no text`)
  }
  const pattern = (field: string, source: unknown): TextPattern => {
    if (typeof source !== 'string') return fail(`${field} is no text`)
    if (field === 'model' && source === '*') return { parts: [], source }
    const read = readPattern(source)
    return typeof read === 'string' ? fail(`${field} "${source.slice(0, 40)}" ${read}`) : read
  }
  const list = (field: string): unknown[] | null => {
    const entries = given[field]
    if (entries === undefined) return null
    const all = Array.isArray(entries) ? entries : [entries]
    return all.length > 0 ? all : fail(`${field} is empty`)
  }

  const key = text('key')
  if (key !== null && keys !== undefined && !keys.includes(key)) {
    fail(`names the key "${key}", and no token is called so`)
  }
  const finds = list('finds')?.flatMap((word) => kindsOf(word) ?? fail(unknownKind(word))) ?? null
  const texts = list('text')?.map((source) => pattern('text', source)) ?? null
  const model = given.model === undefined ? null : pattern('model', given.model)
  const [scope, deed] = [oneOf('scope', SCOPES), oneOf('do', DEEDS)]
  const beyond = oneOf('beyond', SCOPES)
  if (model === null && key === null && finds === null && texts === null) {
    fail('has no condition: model, key, finds or text')
  }
  if (finds !== null && texts !== null) fail('has both finds and text: make two rules of it')
  if ((scope === null) === (deed === null)) fail('has either a scope or something to do')
  if (beyond !== null && (deed === null || deed === 'pass')) {
    fail('has "beyond", which belongs to block and redact')
  }
  if (deed === 'redact' && finds === null && texts === null) fail('names nothing to redact')
  if (deed === 'pass') {
    if (finds === null) fail('lets pass only what it names by finds')
    if (list('finds')?.includes('secret')) fail('lets secrets pass only kind by kind')
  }
  const rule = { model, key, finds, text: texts, scope, deed, beyond: beyond ?? 'own' }
  return { ...rule, why: text('why') ?? `${name} says: ${sentence(rule)}` }
}

function kindsOf(word: unknown): Kind[] | null {
  if (typeof word !== 'string') return null
  const sort = SORTS.find((each) => each === word)
  if (sort !== undefined) return kindsOfSort(sort)
  return isKind(word) && word !== 'text' ? [word] : null
}

export function kindsOfSort(sort: (typeof SORTS)[number]): Kind[] {
  return Object.keys(KINDS)
    .filter(isKind)
    .filter((kind) => KINDS[kind].sort === sort)
}

/** Everything that a person may call by its kind. */
export function kindNames(): string[] {
  return Object.keys(KINDS).filter((kind) => kind !== 'text')
}

function unknownKind(word: unknown): string {
  return `finds ${JSON.stringify(word)?.slice(0, 40)}, which is none of secret, personal, ${kindNames().join(', ')}`
}

/** What a rule says where its owner gave no reason. */
function sentence(rule: Omit<Rule, 'why'>): string {
  const conditions = [
    rule.model && `for the model ${rule.model.source}`,
    rule.key && `with the key ${rule.key}`,
    rule.finds && `with ${rule.finds.map((kind) => KINDS[kind].name).join(' or ')}`,
    rule.text && 'with a text that it names',
  ].filter(Boolean)
  const what = `a request ${conditions.join(' and ')}`
  if (rule.scope !== null) return `${what} travels no further than ${WORDS[rule.scope]}`
  if (rule.deed === 'pass') return `what it names travels as it is in ${what}`
  if (rule.deed === 'redact') return `${what} has that replaced beyond ${WORDS[rule.beyond]}`
  return `${what} does not travel beyond ${WORDS[rule.beyond]}`
}

/** Whom a scope reaches at most. */
export const WORDS: Readonly<Record<Scope, string>> = {
  device: 'this device',
  own: 'your own devices',
  friends: 'your friends',
  market: 'the market',
}

function broken(what: string, why: string): UsageError {
  return new UsageError({ what: `${what} cannot be used`, why: `it ${why}`, next: NEXT })
}
