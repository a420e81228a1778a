/**
 * One device of a crash campaign in a process of its own: `party.ts lender|borrower SETTINGS-JSON`.
 * It says over IPC what it does, does what it is told, and kills itself where it is told to.
 */
import { Socket } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import type { Engine } from '@freehold/core/engine/engine'
import { createToyModel } from '@freehold/core/engine/toy-model.fixture'
import { pathsOf } from '../config.ts'
import { openDevice } from '../device/open-device.ts'
import { question, termsOn } from '../device/town.fixture.ts'
import { createLlamaEngine, type LlamaModel } from '../engine/llama-engine.ts'
import type { Order, PartySettings, Word } from './protocol.ts'

const say = (word: Word) => process.send?.(word)
const die = () => process.kill(process.pid, 'SIGKILL')

/** Dies at the n-th call of a method from now on, before or after its effect. */
function dieAtCall<K extends string>(
  prototype: { [name in K]: (...args: never[]) => unknown },
  name: K,
  {
    counts,
    after,
    isBefore,
  }: { counts: (args: unknown[]) => boolean; after: number; isBefore: boolean },
): void {
  const original = prototype[name] as (...args: unknown[]) => unknown
  let seen = 0
  prototype[name] = function (this: unknown, ...args: unknown[]) {
    const isIt = counts(args) && ++seen === after
    if (isIt && isBefore) die()
    const result = original.apply(this, args)
    if (isIt) die()
    return result
  } as never
}

function arm({ by, after, isBefore }: NonNullable<PartySettings['dies']>): void {
  if (by === 'commit') {
    const counts = ([sql]: unknown[]) => sql === 'COMMIT'
    dieAtCall(DatabaseSync.prototype, 'exec', { counts, after, isBefore })
  } else if (by === 'write') {
    dieAtCall(Socket.prototype, 'write', { counts: () => true, after, isBefore })
  } else setTimeout(die, after)
}

/** A toy that takes as long for a token as a small model does. */
function toyEngine(stepMs: number): Engine {
  const beforeStep = () => new Promise<void>((resolve) => setTimeout(resolve, stepMs))
  return {
    load: async () => createToyModel({ beforeStep }),
    [Symbol.asyncDispose]: async () => {},
  }
}

const [role, text = '{}'] = process.argv.slice(2)
const settings = JSON.parse(text) as PartySettings
// Without its campaign nobody needs it.
process.once('disconnect', die)
if (settings.dies) arm(settings.dies)
const { home, phrase, chain, port, deadlines, engine } = settings
const device = await openDevice({
  readyAhead: true,
  paths: pathsOf({ home }),
  phrase,
  chain,
  deadlines,
  listen: role === 'lender' ? [`/ip4/127.0.0.1/tcp/${port}`] : [],
  engine: engine === 'toy' ? toyEngine(settings.stepMs) : createLlamaEngine({ gpu: false }),
})
const model = 'acorn'
if (role === 'lender') {
  const { windowTokens, holdBackMs } = settings
  await device.lending.start({
    models: [model],
    payment: termsOn(chain, { windowTokens, holdBackMs }),
    contextTokens: 512,
  })
}

async function obey(order: Order): Promise<Word> {
  switch (order.do) {
    case 'arm':
      arm(order.dies)
      return { said: 'done' }
    case 'engine': {
      const { pid } = (await device.model(model)) as LlamaModel
      return { said: 'engine', pid: pid ?? 0 }
    }
    case 'open': {
      const known = await device.peers.ask(order.address)
      await device.channels.open(known, BigInt(order.amount))
      return { said: 'done' }
    }
    case 'borrow': {
      const completion = await device.complete(
        question({ model, maxTokens: order.tokens, onText: () => say({ said: 'text' }) }),
      )
      await completion.settled
      await device.borrowing.idle()
      const { error, parts } = completion
      // What went on here is no sign that the lender is back.
      const isWhole = error === null && parts.every(({ end }) => end === 'receipt')
      return { said: 'ended', end: isWhole ? 'whole' : String(error ?? parts[0]?.end) }
    }
    case 'settle':
      await device.keeper?.refresh()
      await device.keeper?.settle(true)
      return { said: 'done' }
    case 'stop':
      await device[Symbol.asyncDispose]()
      setImmediate(() => process.exit(0))
      return { said: 'done' }
  }
}

process.on('message', ({ n, order }: { n: number; order: Order }) => {
  obey(order).then(
    (word) => say({ ...word, n }),
    (error) => say({ said: 'failed', why: String(error), n }),
  )
})
say({
  said: 'ready',
  address: (role === 'lender' && device.identity && `/ip4/127.0.0.1/tcp/${port}`) || '',
})
