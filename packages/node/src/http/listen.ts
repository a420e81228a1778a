import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { UsageError } from '@freehold/core/errors'
import { createAdaptorServer } from '@hono/node-server'
import { DEFAULT_PORT } from './default-port.ts'

/** More than this at once is no person's own programs. */
const MAX_CONNECTIONS = 256

export interface Listener extends AsyncDisposable {
  /** Such as `http://127.0.0.1:1215`. */
  readonly url: string
}

/**
 * Answers on loopback alone.
 * @param port 0: any that is free
 * @throws UsageError when the port is taken
 */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { port = DEFAULT_PORT }: { port?: number | undefined } = {},
): Promise<Listener> {
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false })
  if ('maxConnections' in server) server.maxConnections = MAX_CONNECTIONS
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const isTaken = code === 'EADDRINUSE'
    throw new UsageError({
      what: `port ${port} cannot be listened on`,
      why: isTaken ? 'another program has it' : message,
      next: 'Choose another with --port',
      cause,
    })
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
