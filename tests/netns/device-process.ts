/** A device in a network namespace: `device-process.ts SETTINGS-JSON`; it does over IPC what it is told. */

import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fromHex, toHex } from '@freehold/core/bytes'
import type { Paired } from '@freehold/core/device/pairing'
import { peerName } from '@freehold/core/identity/peer-name'
import { pathsOf } from '../../packages/node/src/config.ts'
import { openDevice } from '../../packages/node/src/device/open-device.ts'
import { question, toyEngine } from '../../packages/node/src/device/town.fixture.ts'
import { pull } from '../../packages/node/src/models/pull.ts'
import { nativeSha256 } from '../../packages/node/src/models/pull-from-peers.ts'
import { openTestSwarm, seededFile } from '../../packages/node/src/models/seeder.fixture.ts'
import { createStoreHome } from '../../packages/node/src/models/store.fixture.ts'
import type { DeviceSettings, Order, Reply } from './orders.ts'

const settings = JSON.parse(process.argv[2] ?? '{}') as DeviceSettings
// Without its suite nobody needs it.
process.once('disconnect', () => process.exit(1))
let seededBytes = 0
let words = countWords()
let pairing: Promise<Paired> | null = null
let pairWords: string[] = []
const direct = new Set<unknown>()
const punched = new Map<unknown, PromiseWithResolvers<void>>()
const punchOf = (peer: unknown) => {
  const one = punched.get(peer) ?? Promise.withResolvers<void>()
  punched.set(peer, one)
  return one
}
const { deadlines, tokenMs } = settings
const device = await openDevice({
  paths: pathsOf({ home: settings.home }),
  phrase: settings.phrase,
  listen: settings.listen,
  reach: settings.reach,
  // A machine that has much else to do is not dead.
  deadlines: deadlines === 'usual' ? {} : (deadlines ?? { connectMs: 10_000, silenceMs: 10_000 }),
  // What is tested is the way of an answer, not what it says.
  engine: toyEngine(tokenMs === undefined ? {} : { beforeStep: () => setTimeout(tokenMs) }),
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

/** The toy model writes a letter a token. */
function countWords() {
  let count = 0
  let wake = Promise.withResolvers<void>()
  return {
    add: (more: number) => {
      count += more
      wake.resolve()
      wake = Promise.withResolvers()
    },
    reached: async (wanted: number) => {
      while (count < wanted) await wake.promise
    },
  }
}

async function obey(order: Order): Promise<Reply> {
  switch (order.do) {
    case 'addresses':
      return { addresses: lending?.addresses() ?? [], device: toHex(device.identity!.device) }
    case 'ask': {
      const { address } = await device.peers.ask(order.address)
      return { addresses: [address] }
    }
    case 'borrow': {
      const breaks: string[] = []
      words = countWords()
      const completion = await device.complete(
        question({
          messages: [{ role: 'user', content: order.prompt ?? 'Hello' }],
          maxTokens: order.tokens,
          lender: order.lender,
          onBreak: ({ reason }) => void breaks.push(reason),
          onText: (text) => words.add(text.length),
        }),
      )
      await device.borrowing.idle()
      const { error, record, firstTokenMs } = completion
      if (error !== null) throw error
      const isDirect = direct.has(peerName(fromHex(order.lender)))
      return { tokens: record?.tokens ?? 0, isDirect, firstTokenMs, breaks }
    }
    case 'words':
      await words.reached(order.count)
      return {}
    case 'seed': {
      const { read, ...file } = seededFile(await readFile(order.path))
      const counted = (from: number, count: number) => {
        seededBytes += count
        return read(from, count)
      }
      await device.seeding.start({
        models: [{ modelId: file.file.sha256, files: [{ ...file, read: counted }] }],
        bytesPerSecond: Number.MAX_SAFE_INTEGER,
      })
      return {}
    }
    case 'seeded':
      return { bytes: seededBytes }
    case 'pull': {
      await using home = await createStoreHome()
      await using swarm = await openTestSwarm(order.from)
      const { model } = await pull(`sha256:${order.digest}`, {}, { library: home, swarm })
      const [path = ''] = home.store.paths(model)
      return { digest: toHex(nativeSha256(await readFile(path))) }
    }
    case 'punch':
      await punchOf(peerName(fromHex(order.lender))).promise
      return {}
    case 'show': {
      const shown = await device.pairing.show({
        ...{ as: 'friend', name: 'page', timeoutMs: 60_000 },
        confirm: async ({ words }) => {
          pairWords = words
          return true
        },
      })
      pairing = shown.paired
      pairing.catch(() => {})
      return { link: shown.link }
    }
    case 'paired': {
      const paired = await pairing
      return { device: paired?.device ?? '', words: pairWords }
    }
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
