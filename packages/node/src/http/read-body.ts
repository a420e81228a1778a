import type { z } from 'zod'
import { HttpError } from './errors.ts'
import type { Refusals } from './route.ts'

/** Longest body of a request; a context of 128 k tokens is about half a megabyte of text. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024

/**
 * Reads a body as a schema says. Parameters that nobody knows are left alone.
 * @throws HttpError naming the parameter that is wrong or not supported
 */
export async function readBody<Schema extends z.ZodType>(
  request: Pick<Request, 'headers' | 'body'>,
  schema: Schema,
  refuses: Refusals = {},
): Promise<z.output<Schema>> {
  const body = parseJson(await readText(request))
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HttpError({ status: 400, what: 'the body is no JSON object', code: 'invalid_json' })
  }
  for (const [param, harmless] of Object.entries(refuses)) {
    const value = at(body, param)
    if (value === undefined || value === null || isAmong(value, harmless)) continue
    throw new HttpError({
      status: 400,
      param,
      code: 'unsupported_parameter',
      what: `${param} is not supported here`,
      next: 'Leave it out',
    })
  }
  const parsed = schema.safeParse(withoutNulls(body))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const param = issue?.path.join('.') ?? ''
  throw new HttpError({
    status: 400,
    ...(param === '' ? {} : { param }),
    code: 'invalid_value',
    what: param === '' ? 'the body is wrong' : `${param} is wrong`,
    why: issue?.message,
  })
}

/** @throws HttpError before more than `MAX_BODY_BYTES` are in memory */
async function readText({ headers, body }: Pick<Request, 'headers' | 'body'>): Promise<string> {
  if (Number(headers.get('content-length') ?? 0) > MAX_BODY_BYTES) throw tooLong()
  const parts: Uint8Array[] = []
  let count = 0
  for await (const part of body ?? []) {
    count += part.length
    if (count > MAX_BODY_BYTES) throw tooLong()
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function tooLong(): HttpError {
  return new HttpError({
    status: 413,
    code: 'too_large',
    what: `the body is longer than ${MAX_BODY_BYTES} bytes`,
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new HttpError({ status: 400, what: 'the body is no JSON', why, code: 'invalid_json' })
  }
}

/** Many clients say null where they mean nothing. */
function withoutNulls(body: object): object {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
}

/** The value at a path such as `options.num_gpu`. */
function at(body: object, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) =>
        typeof value === 'object' && value !== null
          ? (value as Record<string, unknown>)[name]
          : undefined,
      body,
    )
}

function isAmong(value: unknown, values: readonly unknown[]): boolean {
  const text = JSON.stringify(value)
  return values.some((one) => JSON.stringify(one) === text)
}
