/** One device of a chaos run: `town-process.ts lender|borrower SETTINGS-JSON`, told what to do over IPC. */
import type { EndReason } from '@freehold/core/errors'
import { systemClock } from '@freehold/core/platform'
import { pathsOf } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { termsOn } from '../device/town.fixture.ts'
import { lyingMesh } from './lying-mesh.ts'
import type { Mood, Move, TownOrder, TownSettings, TownWord } from './protocol.ts'
import { createStandInEngine } from './stand-in-engine.ts'

const say = (word: TownWord) => process.send?.(word)

const MODEL = 'acorn'
const SERVING_EVERY_MS = 200

const [role, text = '{}'] = process.argv.slice(2)
const settings = JSON.parse(text) as TownSettings
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))

let mood: Mood = 'well'
let skewMs = 0
let servingAtMs = 0
const { home, phrase, chain, port, deadlines, calibration, scope, friends } = settings
const engine = createStandInEngine({
  mood: () => mood,
  onStep: () => {
    const now = Date.now()
    if (role !== 'lender' || now - servingAtMs < SERVING_EVERY_MS) return
    servingAtMs = now
    say({ said: 'serving', atMs: now })
  },
})
const device = await openDevice({
  paths: pathsOf({ home }),
  phrase,
  chain,
  deadlines,
  engine,
  friends,
  // As a device does that holds conversations: faults come between `ready` and the request, too.
  readyAhead: true,
  calibration: [calibration],
  listen: role === 'lender' ? [`/ip4/127.0.0.1/tcp/${port}`] : [],
  clock: { now: () => systemClock.now() + skewMs, after: (ms, run) => systemClock.after(ms, run) },
  changeMesh: (mesh) =>
    lyingMesh(
      mesh,
      () => mood,
      (lie) => say({ said: 'lied', lie, atMs: Date.now() }),
    ),
})
if (role === 'lender') {
  const { windowTokens, holdBackMs } = settings
  const payment = termsOn(chain, { windowTokens, holdBackMs })
  await device.lending.start({ models: [MODEL], payment, contextTokens: 512 })
}

async function ask({ tokens, prompt, lender }: TownOrder & { do: 'ask' }): Promise<TownWord> {
  const moves: Move[] = []
  const completion = await device.complete({
    ...{ model: MODEL, scope, lender, via: 'peer', temperature: 1, maxTokens: tokens },
    messages: [{ role: 'user', content: prompt }],
    onBreak: ({ lender: from, reason, error, afterMs }) => {
      const brokeAtMs = Date.now()
      const askedAtMs = brokeAtMs - afterMs
      const message = error.message
      moves.push({ lender: from, reason, message, askedAtMs, brokeAtMs, elsewhereAtMs: null })
    },
    onText: () => {
      for (const move of moves) move.elsewhereAtMs ??= Date.now()
    },
  })
  const endedAtMs = Date.now()
  completion.settled.then(
    (report) => {
      if (report?.pooled !== 'fail') return
      const { lender: convicted } = report.record
      say({ said: 'convicted', lender: convicted, endedAtMs, atMs: Date.now() })
    },
    () => {},
  )
  const lenders = completion.parts.map((part) => part.lender ?? 'here')
  const error = completion.error as (Error & { reason?: EndReason }) | null
  return { said: 'answered', error: error?.message ?? null, moves, lenders }
}

async function obey(order: TownOrder): Promise<TownWord> {
  switch (order.do) {
    case 'open':
      await device.channels.open(await device.peers.ask(order.address), BigInt(order.amount))
      return { said: 'done' }
    case 'ask':
      return ask(order)
    case 'mood':
      mood = order.mood
      return { said: 'done' }
    case 'skew':
      skewMs = order.ms
      return { said: 'done' }
    case 'rest':
      await device.borrowing.idle()
      return { said: 'done' }
    case 'stop':
      await device[Symbol.asyncDispose]()
      setImmediate(() => process.exit(0))
      return { said: 'done' }
  }
}

process.on('message', ({ n, order }: { n: number; order: TownOrder }) => {
  obey(order).then(
    (word) => say({ ...word, n }),
    (error) => say({ said: 'failed', why: String(error), n }),
  )
})
// A lender whose disk is full goes on as far as it can; what it could not do shows on the other side.
process.on('unhandledRejection', (error) => process.stderr.write(`${String(error)}\n`))
say({ said: 'ready' })
