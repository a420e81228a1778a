import { route } from '../route.ts'

export const health = route({
  method: 'GET',
  path: '/health',
  about: 'Whether the device is there. Asks for no token.',
  handle: () => Response.json({ status: 'ok' }),
})

export const metrics = route({
  method: 'GET',
  path: '/metrics',
  about: 'Counts for Prometheus: requests, answers, tokens, who runs and waits.',
  handle: (_, { metrics, pool }) =>
    new Response(metrics.text(pool), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    }),
})
