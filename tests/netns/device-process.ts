/** A device in a network namespace: `device-process.ts SETTINGS-JSON`; it does over IPC what it is told. */

import { fromHex, toHex } from '@freehold/core/bytes'
import { peerName } from '@freehold/core/identity/peer-name'
import { pathsOf } from '../../packages/node/src/config.ts'
import { openDevice } from '../../packages/node/src/device/open-device.ts'
import { question, toyEngine } from '../../packages/node/src/device/town.fixture.ts'
import type { DeviceSettings, Order, Reply } from './orders.ts'

const settings = JSON.parse(process.argv[2] ?? '{}') as DeviceSettings
// Without its suite nobody needs it.
process.once('disconnect', () => process.exit(1))
const direct = new Set<unknown>()
const punched = new Map<unknown, PromiseWithResolvers<void>>()
const punchOf = (peer: unknown) => {
  const one = punched.get(peer) ?? Promise.withResolvers<void>()
  punched.set(peer, one)
  return one
}
const device = await openDevice({
  paths: pathsOf({ home: settings.home }),
  phrase: settings.phrase,
  listen: settings.listen,
  reach: settings.reach,
  // A machine that has much else to do is not dead.
  deadlines: { connectMs: 10_000, silenceMs: 10_000 },
  // What is tested is the way of an answer, not what it says.
  engine: toyEngine(),
  log: (event, details) => {
    if (event === 'mesh.direct') direct.add(details?.peer)
    if (event === 'mesh.punched') punchOf(details?.peer).resolve()
    if (process.env.NETNS_LOG)
      process.stderr.write(`${settings.name} ${event} ${JSON.stringify(details)}\n`)
  },
})
const lending = settings.lends
  ? await device.lending.start({ models: ['acorn'], payment: null, contextTokens: 512 })
  : null

async function obey(order: Order): Promise<Reply> {
  switch (order.do) {
    case 'addresses':
      return { addresses: lending?.addresses() ?? [], device: toHex(device.identity!.device) }
    case 'ask': {
      const { address } = await device.peers.ask(order.address)
      return { addresses: [address] }
    }
    case 'borrow': {
      const completion = await device.complete(
        question({
          messages: [{ role: 'user', content: 'Hello' }],
          maxTokens: order.tokens,
          lender: order.lender,
        }),
      )
      await device.borrowing.idle()
      if (completion.error !== null) throw completion.error
      const isDirect = direct.has(peerName(fromHex(order.lender)))
      return { tokens: completion.record?.tokens ?? 0, isDirect }
    }
    case 'punch':
      await punchOf(peerName(fromHex(order.lender))).promise
      return {}
    case 'stop':
      await device[Symbol.asyncDispose]()
      setImmediate(() => process.exit(0))
      return {}
  }
}

process.on('message', ({ n, order }: { n: number; order: Order }) => {
  obey(order).then(
    (reply) => process.send?.({ n, reply }),
    (error: Error) => process.send?.({ n, error: error.stack ?? String(error) }),
  )
})
process.send?.({ n: 0, reply: {} })
