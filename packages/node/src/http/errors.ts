import { FreeholdError, type FreeholdErrorInit, LendingError } from '@freehold/core/errors'
import { BusyError, UnsupportedError } from '../serving/errors.ts'

/** What an error is to somebody who asks over HTTP; each API has words of its own for it. */
export interface Problem {
  status: 400 | 401 | 402 | 403 | 404 | 405 | 413 | 499 | 500 | 502 | 503
  message: string
  /** Which parameter is wrong. */
  param: string | null
  /** A stable word. */
  code: string | null
  retryAfterSeconds: number | null
}

export interface HttpErrorInit extends FreeholdErrorInit {
  status: Problem['status']
  param?: string | undefined
  code?: string | undefined
}

/** Thrown when a request is wrong as such. */
export class HttpError extends FreeholdError {
  override name = 'HttpError'
  readonly status: Problem['status']
  readonly param: string | null
  readonly code: string | null

  constructor(init: HttpErrorInit) {
    super(init)
    this.status = init.status
    this.param = init.param ?? null
    this.code = init.code ?? null
  }
}

/** The header that says what a borrowed answer may cost. */
export const MAX_PRICE = 'x-freehold-max-price'

/** Status and word of errors that need nothing more than their name. */
const BY_NAME: Readonly<Record<string, Partial<Problem> & Pick<Problem, 'status'>>> = {
  NoSuchModelError: { status: 404, param: 'model', code: 'model_not_found' },
  ContextError: { status: 400, param: 'messages', code: 'context_length_exceeded' },
  TemplateError: { status: 400, param: 'messages', code: 'chat_template' },
  UsageError: { status: 400, code: 'invalid_value' },
  BlockedError: { status: 403, param: 'messages', code: 'content_blocked' },
  ScopeError: { status: 403, param: 'x-freehold-scope', code: 'scope' },
  ModelError: { status: 500, param: 'model', code: 'model' },
  EngineError: { status: 500, code: 'engine' },
  // 402 is what clients neither ask again for nor mistake for a wrong key.
  CeilingError: { status: 402, param: MAX_PRICE, code: 'price_ceiling' },
  ClearingError: { status: 502, code: 'clearing' },
  ChainError: { status: 502, code: 'chain' },
  IdentityError: { status: 502, code: 'identity' },
  AbortError: { status: 499, code: 'cancelled' },
}

/** What went wrong, for whoever asked; of what nobody foresaw nothing is told. */
export function problemOf(error: unknown): Problem {
  const name = error instanceof Error ? error.name : ''
  const message = error instanceof Error ? error.message : String(error)
  const plain = { message, param: null, code: null, retryAfterSeconds: null }
  if (error instanceof HttpError) {
    return { ...plain, status: error.status, param: error.param, code: error.code }
  }
  if (error instanceof UnsupportedError) {
    return { ...plain, status: 400, param: error.param, code: 'unsupported_parameter' }
  }
  if (error instanceof BusyError) {
    const { retryAfterSeconds } = error
    return { ...plain, status: 503, code: 'busy', retryAfterSeconds }
  }
  if (error instanceof LendingError) {
    const isBusy = error.reason === 'busy'
    const more = isBusy ? { retryAfterSeconds: 5 } : {}
    return { ...plain, status: isBusy ? 503 : 502, code: error.reason, ...more }
  }
  const known = BY_NAME[name]
  if (known !== undefined) return { ...plain, ...known }
  return { ...plain, status: 500, message: 'something failed inside the device', code: 'internal' }
}

/** Turns a problem into the body that clients of one API expect. */
export type ErrorShape = (problem: Problem, requestId: string) => object

export const openaiError: ErrorShape = ({ status, message, param, code }) => ({
  error: { message, type: OPENAI_TYPES[status] ?? 'server_error', param, code },
})

const OPENAI_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'invalid_request_error',
}

export const anthropicError: ErrorShape = ({ status, message }, requestId) => ({
  type: 'error',
  error: { type: ANTHROPIC_TYPES[status] ?? 'api_error', message },
  request_id: requestId,
})

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  413: 'request_too_large',
  503: 'overloaded_error',
}

export const ollamaError: ErrorShape = ({ message }) => ({ error: message })

/** Each API speaks its own way, also where nothing of it is found. */
export function errorShapeOf(path: string): ErrorShape {
  if (path.startsWith('/v1/messages')) return anthropicError
  return path.startsWith('/api/') || path === '/' ? ollamaError : openaiError
}

/** The answer that says so. */
export function errorResponse(problem: Problem, path: string, requestId: string): Response {
  const headers = new Headers({ 'content-type': 'application/json' })
  const { status, retryAfterSeconds } = problem
  if (retryAfterSeconds !== null) headers.set('retry-after', String(retryAfterSeconds))
  // Clients ask again after each 5xx unless told: a model that does not load will not load then.
  if (status >= 500 && retryAfterSeconds === null) headers.set('x-should-retry', 'false')
  const body = JSON.stringify(errorShapeOf(path)(problem, requestId))
  return new Response(body, { status, headers })
}
