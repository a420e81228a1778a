/** What every error of Freehold says: what happened, why, and what to do next. */
export interface FreeholdErrorInit {
  what: string
  why?: string | undefined
  next?: string | undefined
  cause?: unknown
}

/** Base of all errors that Freehold throws on purpose; tell them apart by `name`. */
export class FreeholdError extends Error {
  override name = 'FreeholdError'
  readonly what: string
  readonly why: string | undefined
  readonly next: string | undefined

  constructor(init: FreeholdErrorInit) {
    const sentence = init.why === undefined ? init.what : `${init.what}: ${init.why}`
    super(init.next === undefined ? sentence : `${sentence}. ${init.next}`, { cause: init.cause })
    this.what = init.what
    this.why = init.why
    this.next = init.next
  }
}

/** Thrown when bytes are not the one canonical encoding of what they claim to be. */
export class WireError extends FreeholdError {
  override name = 'WireError'
}

/** Thrown when a model cannot be found, read or loaded. */
export class ModelError extends FreeholdError {
  override name = 'ModelError'
}

/** Thrown when a model's chat template cannot be used for a conversation. */
export class TemplateError extends ModelError {
  override name = 'TemplateError'
}

/** Thrown when the engine failed while it answered; the device itself goes on. */
export class EngineError extends FreeholdError {
  override name = 'EngineError'
}

/** Thrown when a key, phrase, passphrase or certificate is not what it must be. */
export class IdentityError extends FreeholdError {
  override name = 'IdentityError'
}

/** Thrown when the scope of a request does not allow what would serve it. */
export class ScopeError extends FreeholdError {
  override name = 'ScopeError'
}

/** Where something is that may not leave; never what it is. */
export interface BlockedPlace {
  kind: string
  /** Which message, from 0, and which UTF-16 units of it. */
  text: number
  start: number
  end: number
}

/** Thrown when a request holds what may not leave. */
export class BlockedError extends ScopeError {
  override name = 'BlockedError'
  readonly found: readonly BlockedPlace[]

  constructor(init: FreeholdErrorInit & { found: readonly BlockedPlace[] }) {
    super(init)
    this.found = init.found
  }
}

/** Thrown when a voucher, channel or amount does not hold, or the chain refuses. */
export class ClearingError extends FreeholdError {
  override name = 'ClearingError'
}

/** Thrown when an answer could cost more than the owner lets one, or a day, cost. */
export class CeilingError extends ClearingError {
  override name = 'CeilingError'
}

/** Thrown when the chain cannot be asked; what is signed stays worth what it is. */
export class ChainError extends FreeholdError {
  override name = 'ChainError'
}

/** Why an answer ended before its time; both sides use the same words. */
export type EndReason =
  | 'busy'
  | 'cancelled'
  | 'deadline'
  | 'engine'
  | 'expired-offer'
  | 'limit'
  | 'lost'
  | 'model'
  /** The lender's owner needs the machine: ask elsewhere, it is nobody's fault. */
  | 'owner'
  | 'payment'
  | 'protocol'
  | 'standing'
  | 'stall'

/** Thrown when an answer between two devices ends early. `reason` is a stable word. */
export class LendingError extends FreeholdError {
  override name = 'LendingError'
  readonly reason: EndReason

  constructor(reason: EndReason, init: FreeholdErrorInit) {
    super(init)
    this.reason = reason
  }
}

/** Thrown when arguments or settings make no sense; exit status 2 in the CLI. */
export class UsageError extends FreeholdError {
  override name = 'UsageError'
}
