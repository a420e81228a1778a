import { BlockedError, ScopeError } from '../errors.ts'
import type { Scope } from '../wire/frames.ts'
import { findSensitive } from './detect/find-sensitive.ts'
import { type Finding, KINDS, type Kind } from './detect/finding.ts'
import { Scan } from './detect/scan.ts'
import { kindsOfSort, type Rule, SCOPES, WORDS } from './rules.ts'
import { findPattern, isNamed } from './text-pattern.ts'

/** A request as rules see it. */
export interface Travelling {
  /** How far whoever asks lets it travel. */
  scope: Scope
  /** Everything that the model is called: its names, its id in hex. */
  models: readonly string[]
  /** Name of the token that it came with. */
  key?: string | undefined
}

/** How far a request may travel, and the sentences of what made that less than was asked for. */
export interface Reach {
  scope: Scope
  because: readonly string[]
}

/** What is found in which of the texts. */
export interface Place extends Finding {
  /** Which of the texts, from 0. */
  text: number
}

/** How a request may leave. */
export interface Passage extends Reach {
  /** What is replaced before it leaves. */
  redact: readonly Place[]
}

/** What happens to secrets and personal data where no rule says otherwise: nothing among own devices. */
const DEFAULTS: readonly Rule[] = [
  {
    ...{ model: null, key: null, text: null, scope: null, deed: 'block', beyond: 'own' },
    finds: kindsOfSort('secret'),
    why: `secrets do not travel beyond ${WORDS.own}`,
  },
  {
    ...{ model: null, key: null, text: null, scope: null, deed: 'redact', beyond: 'own' },
    finds: kindsOfSort('personal'),
    why: `personal data is replaced beyond ${WORDS.own}`,
  },
]

/** The lower of two scopes. */
export function lower(one: Scope, other: Scope): Scope {
  return SCOPES.indexOf(one) <= SCOPES.indexOf(other) ? one : other
}

/** How far a request may travel by what is known without its content. */
export function reachOf(rules: readonly Rule[], request: Travelling): Reach {
  const apply = rules.filter((rule) => concerns(rule, request) && !looksInside(rule))
  return narrowed({ scope: request.scope, because: [] }, apply)
}

/**
 * Looks at what would leave, and says how it may. What cannot be looked at does not leave.
 * @param sent kinds that the person lets travel as they are in this request, by name
 * @throws BlockedError saying what is where and what to do; ScopeError when nobody can tell
 */
export function passageOf(
  rules: readonly Rule[],
  request: Travelling,
  texts: readonly string[],
  sent: readonly Kind[] = [],
): Passage {
  const seen = look(rules, texts)
  const own = rules
    .filter((rule) => concerns(rule, request))
    .map((rule) => ({ rule, places: seen.filter((place) => isMeant(rule, place)) }))
    .filter(({ rule, places }) => !looksInside(rule) || places.length > 0)
  const reach = narrowed(
    { scope: request.scope, because: [] },
    own.map(({ rule }) => rule),
  )
  const passed = new Set<Kind>(sent)
  for (const { rule } of own) {
    if (rule.deed === 'pass') for (const kind of rule.finds ?? []) passed.add(kind)
  }
  const byDefault = DEFAULTS.map((rule) => ({
    rule,
    places: seen.filter((place) => isMeant(rule, place) && !passed.has(place.kind)),
  })).filter(({ places }) => places.length > 0)
  const due = [...own, ...byDefault].filter(
    ({ rule }) => rule.deed !== null && rule.deed !== 'pass' && isBeyond(reach.scope, rule.beyond),
  )
  const blocking = due.find(({ rule }) => rule.deed === 'block')
  if (blocking !== undefined) throw blocked(blocking.rule, blocking.places)
  const redact = due.flatMap(({ places }) => places)
  const because = [...reach.because, ...due.map(({ rule }) => rule.why)]
  return { scope: reach.scope, because, redact: [...new Set(redact)] }
}

function looksInside({ finds, text }: Rule): boolean {
  return finds !== null || text !== null
}

/** Whether a rule is about such requests at all. */
function concerns({ model, key }: Rule, request: Travelling): boolean {
  if (key !== null && key !== request.key) return false
  return model === null || request.models.some((name) => isNamed(name, model))
}

interface Seen extends Place {
  /** Whose text it is. */
  rule: Rule | null
}

function look(rules: readonly Rule[], texts: readonly string[]): Seen[] {
  try {
    return texts.flatMap((text, index) => [
      ...findSensitive(text).map((finding) => ({ ...finding, text: index, rule: null })),
      ...rules.flatMap((rule) =>
        (rule.text ?? [])
          .flatMap((pattern) => findPattern(new Scan(text), pattern))
          .map((finding) => ({ ...finding, text: index, rule })),
      ),
    ])
  } catch (cause) {
    throw new ScopeError({
      what: 'this request stays here',
      // What failed may have held a part of it.
      why: `what it holds could not be looked through (${cause instanceof Error ? cause.name : 'it failed'})`,
      next: 'Shorten it, or ask with --scope device',
      cause,
    })
  }
}

/** Whether a rule is about this finding: of a kind that it names, or by its own words. */
function isMeant(rule: Rule, { kind, rule: owner }: Seen): boolean {
  return owner === null ? (rule.finds?.includes(kind) ?? false) : owner === rule
}

function narrowed(reach: Reach, rules: readonly Rule[]): Reach {
  return rules.reduce<Reach>(({ scope, because }, rule) => {
    const next = rule.scope === null ? scope : lower(scope, rule.scope)
    return next === scope ? { scope, because } : { scope: next, because: [...because, rule.why] }
  }, reach)
}

function isBeyond(scope: Scope, limit: Scope): boolean {
  return SCOPES.indexOf(scope) > SCOPES.indexOf(limit)
}

/** So many places are named; the others are counted. */
const MOST_NAMED = 8

function blocked({ why, beyond }: Rule, places: readonly Place[]): BlockedError {
  const named = places
    .slice(0, MOST_NAMED)
    .map(
      ({ kind, text, start, end }) =>
        `${KINDS[kind].name} in message ${text + 1} at characters ${start + 1} to ${end}`,
    )
  const others = places.length - named.length
  const list = [...named, ...(others > 0 ? [`${others} more`] : [])].join(', ')
  const kinds = [...new Set(places.map(({ kind }) => kind))].filter((kind) => kind !== 'text')
  return new BlockedError({
    what: places.length === 0 ? 'this request stays here' : `this request holds ${list}`,
    why,
    next:
      `Take it out, or ask with --scope ${beyond}` +
      (kinds.length === 0
        ? ''
        : `. If it is none, let it travel: ${kinds.map(asOption).join(' ')}`),
    found: places.map(({ kind, text, start, end }) => ({ kind, text, start, end })),
  })
}

function asOption(kind: Kind): string {
  return `--send ${kind}`
}
