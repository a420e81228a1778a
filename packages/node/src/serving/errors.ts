import { FreeholdError, type FreeholdErrorInit, ModelError } from '@freehold/core/errors'

/** Thrown when the name of a model means nothing here. */
export class NoSuchModelError extends ModelError {
  override name = 'NoSuchModelError'
}

/** Thrown when all places are taken, and as many wait as may. */
export class BusyError extends FreeholdError {
  override name = 'BusyError'
  readonly retryAfterSeconds: number

  constructor(retryAfterSeconds: number, init: FreeholdErrorInit) {
    super(init)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** Thrown when a conversation does not fit into the context: nothing is ever cut off silently. */
export class ContextError extends FreeholdError {
  override name = 'ContextError'
}

/** Thrown when something is asked for that cannot be done here; `param` names it. */
export class UnsupportedError extends FreeholdError {
  override name = 'UnsupportedError'
  readonly param: string

  constructor(param: string, init: FreeholdErrorInit) {
    super(init)
    this.param = param
  }
}
