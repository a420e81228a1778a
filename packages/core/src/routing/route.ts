import { ScopeError } from '../errors.ts'
import type { Scope } from '../wire/frames.ts'

/** Where the asker wishes an answer to come from; the scope stays the ceiling. */
export type Via = 'auto' | 'here' | 'peer'

/** Who a lender is to this device; each scope allows its rung and those below. */
export type Rung = 'own' | 'friends' | 'market'

const REACH: Record<Scope, readonly Rung[]> = {
  device: [],
  own: ['own'],
  friends: ['own', 'friends'],
  market: ['own', 'friends', 'market'],
}

/** Whether a request of `scope` may travel to a lender on `rung`. */
export function isWithin(scope: Scope, rung: Rung): boolean {
  return REACH[scope].includes(rung)
}

/** For sorting: the nearest first. */
export function byRung(one: Rung, other: Rung): number {
  return REACH.market.indexOf(one) - REACH.market.indexOf(other)
}

export interface RouteQuestion {
  scope: Scope
  via: Via
  /** Name of the model, for the sentence. */
  model: string
  /** Why the model cannot run here; null when it can. */
  notHere: string | null
  /** Sentences of the rules that lowered the scope. */
  because?: readonly string[] | undefined
}

export interface Route {
  where: 'here' | 'peer'
  /** In a sentence, for the person and the egress log. */
  why: string
}

const CHANGE_RULE = 'Ask a model that is here, or change the rule in the settings'

/**
 * Decides where a request goes; whatever is in doubt stays here.
 * @throws ScopeError when what is wished for is not allowed, or nothing allowed can serve it
 */
export function decideRoute({ scope, via, model, notHere, because = [] }: RouteQuestion): Route {
  const mayLeave = scope !== 'device'
  const isRuled = because.length > 0
  if (via === 'peer') {
    if (mayLeave) return { where: 'peer', why: 'you asked for a peer' }
    throw new ScopeError({
      what: 'this request may not leave the device',
      why: isRuled ? because.join('; ') : 'its scope is "device"',
      next: isRuled ? CHANGE_RULE : 'Allow more with --scope own, friends or market',
    })
  }
  if (notHere === null) {
    return { where: 'here', why: via === 'here' ? 'you asked for this device' : `${model} is here` }
  }
  if (via === 'auto' && mayLeave) return { where: 'peer', why: notHere }
  throw new ScopeError({
    what: `${model} cannot answer here`,
    why: mayLeave ? notHere : [notHere, ...because].join('; '),
    next: mayLeave
      ? 'Drop --via here'
      : isRuled
        ? CHANGE_RULE
        : 'Let it travel with --scope own, friends or market',
  })
}
