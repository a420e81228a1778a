import { ModelError } from '@freehold/core/errors'
import type { z } from 'zod'
import { broken } from './http-errors.ts'

export interface ReadJsonInit<Schema extends z.ZodType> {
  url: URL
  schema: Schema
  /** Whom the host should answer like. */
  like: string
  /** The setting that names the host. */
  setting: string
  signal?: AbortSignal | undefined
}

/**
 * Reads an answer that must be JSON of a known shape.
 * @throws ModelError when it is another; RetryError when the connection breaks
 */
export async function readJson<Schema extends z.ZodType>(
  response: Response,
  { url, schema, like, setting, signal }: ReadJsonInit<Schema>,
): Promise<z.output<Schema>> {
  const listed: unknown = await response.json().catch((error: unknown) => {
    signal?.throwIfAborted()
    if (error instanceof SyntaxError) return null
    throw broken(url, error)
  })
  const parsed = schema.safeParse(listed)
  if (parsed.success) return parsed.data
  throw new ModelError({
    what: `${url.host} does not answer as ${like} does`,
    next: `Look whether ${setting} is right`,
  })
}
