import { FreeholdError, UsageError } from '@freehold/core/errors'
import { z } from 'zod'
import { pathsOf, readEnvironment } from '../config.ts'
import { findResident, type Resident } from '../serving/resident.ts'

/** Asks the process that serves this device. */
export type AskResident = (path: string, body?: object) => Promise<unknown>

const failureSchema = z.object({ error: z.string() })

/**
 * Finds the process that serves this device. Its HTTP port is asked, not a socket of its own: one
 * interface, the same on each platform, behind the same guard.
 * @throws FreeholdError when there is none
 */
export async function connectToResident(): Promise<AskResident> {
  const resident = await findResident(pathsOf(readEnvironment()).state)
  if (resident === null) {
    throw new FreeholdError({
      what: 'no process serves this device',
      next: 'freehold serve starts one',
    })
  }
  return async (path, body) => (await fetchFrom(resident, path, { body })).json()
}

/** Thrown when the process that serves ended before it answered. */
export class ResidentGoneError extends FreeholdError {
  override name = 'ResidentGoneError'
}

/** One request to it, within this device. @throws FreeholdError with what it says of a failure */
export async function fetchFrom(
  { url, token }: Resident,
  path: string,
  { body, signal }: { body?: object | undefined; signal?: AbortSignal | undefined },
): Promise<Response> {
  const asking = fetch(new URL(path, url), {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'x-freehold-scope': 'device' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  })
  const response = await asking.catch((cause: unknown) => {
    signal?.throwIfAborted()
    throw new ResidentGoneError({ what: 'the process that serves cannot be reached', cause })
  })
  if (response.ok) return response
  const { data } = failureSchema.safeParse(await response.json().catch(() => null))
  const what = data?.error ?? `the process that serves said ${response.status}`
  // What makes no sense ends with the same status as if it had been asked here.
  throw response.status === 400 ? new UsageError({ what }) : new FreeholdError({ what })
}

const psSchema = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string(),
      size: z.number(),
      expires_at: z.string(),
      context_length: z.number(),
      state: z.enum(['loading', 'ready', 'stopping']),
      running: z.number(),
      waiting: z.number(),
      processor: z.string(),
    }),
  ),
})

/** A model in the memory of the process that serves. */
export type LoadedModel = z.output<typeof psSchema>['models'][number]

export async function loadedModels(ask: AskResident): Promise<LoadedModel[]> {
  return psSchema.parse(await ask('/api/ps')).models
}
