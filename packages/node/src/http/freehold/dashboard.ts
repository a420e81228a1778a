import type { Context } from 'hono'
import { z } from 'zod'
import { HttpError } from '../errors.ts'
import { type ApiEnv, type ApiParts, route } from '../route.ts'

/** What the owner sees of a device, as JSON: amounts are digits of token units. */
export interface Dashboard {
  overview(): Promise<object>
  /** Opens no socket. */
  doctor(init: { signal: AbortSignal }): Promise<object>
  settings(): Promise<object>
  /** Lets the processes of this device lend, or has them stop at once. */
  setLending(isOn: boolean): Promise<void>
}

export const overview = route({
  method: 'GET',
  path: '/freehold/device',
  about:
    'Who this device is, who of its processes lends, whom it knows, and what it owes and is owed. Like the three below for its own pages and programs of this machine only.',
  handle: async ({ context }, parts) =>
    Response.json(await ownDashboard(context, parts).overview()),
})

export const doctor = route({
  method: 'GET',
  path: '/freehold/doctor',
  about: 'What `freehold doctor` says without `--online`.',
  handle: async ({ context, asker }, parts) =>
    Response.json(await ownDashboard(context, parts).doctor({ signal: asker.signal })),
})

export const settings = route({
  method: 'GET',
  path: '/freehold/settings',
  about:
    'What `freehold config show` says: each setting as it is, and what says so. No secret is among them.',
  handle: async ({ context }, parts) =>
    Response.json(await ownDashboard(context, parts).settings()),
})

export const lending = route({
  method: 'POST',
  path: '/freehold/lending',
  about: 'Switches lending of this device off, at once, or on again where `freehold lend` runs.',
  body: z.object({ isOn: z.boolean() }),
  handle: async ({ context, body }, parts) => {
    await ownDashboard(context, parts).setLending(body.isOn)
    return new Response(null, { status: 204 })
  },
})

/** Pages that may ask a model for an answer may not look at the owner's money for that. */
function ownDashboard(context: Context<ApiEnv>, { dashboard }: ApiParts): Dashboard {
  const origin = context.req.header('origin')
  if (origin !== undefined && URL.parse(origin)?.host !== context.req.header('host')) {
    throw new HttpError({
      status: 403,
      code: 'origin',
      what: 'only the device’s own pages may look at its dashboard',
    })
  }
  if (dashboard !== undefined) return dashboard
  throw new HttpError({ status: 404, code: 'unknown_url', what: 'this device has no dashboard' })
}
