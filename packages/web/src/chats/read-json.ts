import { FreeholdError } from '@freehold/core/errors'

/** What a file says, or a sentence with the place that does not fit. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    return fail('it is no JSON', cause instanceof Error ? cause.message : String(cause))
  }
}

export function record(value: unknown, at: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  return fail(at, 'it is no object')
}

export function list(value: unknown, at: string): unknown[] {
  return Array.isArray(value) ? value : fail(at, 'it is no list')
}

export function string(value: unknown, at: string): string {
  return typeof value === 'string' ? value : fail(at, 'it is no text')
}

export function word<T extends string>(value: unknown, known: readonly T[], at: string): T {
  return known.find((name) => name === value) ?? fail(at, `it is one of ${known.join(', ')}`)
}

export function number(value: unknown, at: string): number {
  return Number.isFinite(value) ? (value as number) : fail(at, 'it is no number')
}

export function fail(at: string, why: string): never {
  throw new FreeholdError({ what: 'the file cannot be read', why: `${at}: ${why}` })
}
