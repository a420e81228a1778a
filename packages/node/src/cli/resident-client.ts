import { FreeholdError } from '@freehold/core/errors'
import { z } from 'zod'
import { pathsOf, readEnvironment } from '../config.ts'
import { findResident } from '../serving/resident.ts'

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
  return async (path, body) => {
    const response = await fetch(new URL(path, resident.url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${resident.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer: unknown = await response.json()
    if (response.ok) return answer
    const { data } = failureSchema.safeParse(answer)
    throw new FreeholdError({
      what: data?.error ?? `the process that serves said ${response.status}`,
    })
  }
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
